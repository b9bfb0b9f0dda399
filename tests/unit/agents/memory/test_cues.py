import pytest

from agents.memory.cues import SPEAKER, TIME, cues

TEXTS = {
    "ada": "Ada: the loom broke.",
    "ben": "Ben Ode: I mended it last week.",
    "note": "Decision: oak.",
    "plain": "In 2024 the loom was sold. It said: oak",
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
        ("What broke?", {}),
        ("?", {}),
    ],
)
def test_a_question_that_names_a_speaker_or_asks_when_says_so(query, expected):
    assert cues(query, TEXTS) == expected


def test_a_long_text_without_a_label_is_no_speaker():
    assert cues("What did a say?", {"x": "a " * 50_000 + ": b", "y": ": a: b"}) == {}
