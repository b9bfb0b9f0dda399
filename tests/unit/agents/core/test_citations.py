"""From an answer to verbatim spans of documents."""

import json

from agents.core.citations import (
    PassageBook,
    misquoted,
    numbered,
    passages_of,
    passages_text,
    resolve,
)
from agents.core.types import Citation
from agents.testing import passages_from

TEXT = """A loom weaves cloth. It holds the warp
threads under tension.

- The weft runs crosswise, e.g. under and over.
- Dr. Jacquard punched cards."""
PASSAGES = passages_from(TEXT)


def quotes(answer, given=()):
    found = resolve(answer, PASSAGES, given)
    for citation in found:
        assert TEXT[citation.start : citation.end] == citation.quote
    return [citation.quote for citation in found]


def test_a_sentence_that_stands_in_a_passage_cites_itself_even_across_a_line_break():
    assert quotes("It holds the warp threads under tension.") == [
        "It holds the warp\nthreads under tension."
    ]


def test_a_marker_cites_the_sentence_closest_to_the_words_before_it():
    assert quotes("Cloth is what looms weave [1]. Cards were punched by Jacquard [2].") == [
        "A loom weaves cloth.",
        "Dr. Jacquard punched cards.",
    ]


def test_several_numbers_in_one_marker_and_a_quotation_are_each_cited_once():
    assert quotes('As it says, "The weft runs crosswise, e.g. under and over." [2, 1]') == [
        "The weft runs crosswise, e.g. under and over.",
        "It holds the warp\nthreads under tension.",
    ]


def test_markers_of_no_passage_and_answers_without_support_cite_nothing():
    assert quotes("Nothing of this is known [7] [0].") == []


def test_given_citations_count_when_the_answer_repeats_them():
    given = Citation(document_id="other", chunk_id="c", start=3, end=9, quote="so wide")
    unused = Citation(document_id="other", chunk_id="c", start=0, end=3, quote="and so on")

    assert resolve("It is so wide.", (), (given, unused)) == (given,)


def test_passages_survive_the_journal_under_their_numbers():
    book = PassageBook()
    counted = [(book.cite(passage), passage) for passage in (*PASSAGES, PASSAGES[0])]
    assert [number for number, _ in counted] == [1, 2, 1]

    again = PassageBook()
    again.read(passages_text(counted[:2]) + "\n[a mark]")

    assert [p.text for p in again.passages] == [p.text for p in PASSAGES]
    assert again.cite(PASSAGES[1]) == 2


def test_results_that_are_no_passages_are_left_alone():
    broken = json.dumps({"passages": [{"ref": "x"}]})
    assert passages_of(broken.replace(" ", "", 1)) == []
    assert passages_of('{"passages": 3}') == []
    assert passages_of("plain text") == []


def test_markers_are_counted_over_the_citations_that_the_reader_has():
    answer = "Cards were punched by Jacquard [2]. Cloth is what looms weave [1]. Unknown [9]."
    cited = resolve(answer, PASSAGES)

    assert numbered(answer, PASSAGES, cited) == (
        "Cards were punched by Jacquard [1]. Cloth is what looms weave [2]. Unknown [9]."
    )


def test_quotation_marks_and_dashes_may_be_drawn_another_way():
    text = "It isn\u2019t a \u201cDobby\u201d loom\u00a0\u2013 it is older."
    answer = 'The note says: It isn\'t a "Dobby" loom - it is older.'

    (cited,) = resolve('It isn\'t a "Dobby" loom - it is older.', passages_from(text))

    assert cited.quote == text
    assert resolve(answer.replace("older", "newer"), passages_from(text)) == ()


def test_a_quotation_that_the_sources_do_not_hold_is_named():
    answer = (
        'It says "a loom weaves  cloth." [1] and "It holds the warp [...] under tension" [1], '
        '"the loom is made of solid gold" [2], "A loom ... of gold", [1]; a "loose expression" '
        "stands for itself."
    )

    assert misquoted(answer, [TEXT]) == ["the loom is made of solid gold", "A loom ... of gold"]
    assert misquoted("No quotation [1].", [TEXT]) == []
