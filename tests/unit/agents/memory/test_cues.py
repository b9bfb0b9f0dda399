import pytest

from agents.memory.cues import SPEAKER, TIME, cues

TEXTS = {
    "ada": "Ada: the loom broke.",
    "ben": "Ben Ode: I mended it last week.",
    "note": "Decision: oak.",
    "plain": "In 2024 the loom was sold. It said: oak",
    "chen": "Dr. Mei Chen: This is what the next one may do.",
    "mori": "森さん\uff1a新しい織機です。",
    "answer": "A: it is oak.",
}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("What did Ada say?", {"ada": SPEAKER}),
        ("What is ben's loom made of?", {"ben": SPEAKER}),
        ("What did Ada tell Ben?", {}),
        ("What was the decision?", {"note": SPEAKER}),
        ("When was the loom sold?", {"ben": TIME, "plain": TIME}),
        ("When did Ben mend it?", {"ben": SPEAKER + TIME, "plain": TIME}),
        ("What is done when the loom breaks?", {}),
        ("Do you know when it was sold?", {"ben": TIME, "plain": TIME}),
        ("What does Chen say?", {"chen": SPEAKER}),
        ("What does Dr. Ode say?", {"ben": SPEAKER}),
        ("森さんは何を言いましたか", {"mori": SPEAKER}),
        ("What is a loom?", {}),
        ("What broke?", {}),
        ("?", {}),
    ],
)
def test_a_question_that_names_a_speaker_or_asks_when_says_so(query, expected):
    assert cues(query, TEXTS) == expected


def test_a_long_text_without_a_label_is_no_speaker():
    assert cues("What did a say?", {"x": "a " * 50_000 + ": b", "y": ": a: b"}) == {}
