import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.core.chunking import MAX_SIZE, chunk

LONG = "One sentence about looms and shuttles here. " * 30


def test_a_short_text_is_one_chunk_without_the_white_space_around_it():
    text = "\n  Looms weave.  \n"

    (span,) = chunk(text)

    assert text[span.start : span.end] == "Looms weave."


def test_a_blank_text_has_no_chunks():
    assert chunk(" \n\t ") == []


@pytest.mark.parametrize(
    "text",
    ["a" + " \n" * 500_000 + "b", "# " + " " * 500_000 + "b\n", "# " + "# " * 250_000 + "b\n"],
)
def test_a_megabyte_of_blanks_is_cut_as_soon_as_one_of_words(text):
    spans = chunk(text)

    assert text[spans[0].start] in "a#"
    assert text[spans[-1].end - 1] == "b"


def test_a_chunk_knows_the_headings_above_it_and_begins_with_its_own():
    text = f"# Loom\n\n{LONG}\n\n## Care\n\n{LONG}"

    spans = chunk(text)

    assert [span.headings for span in spans] == [("Loom",), ("Loom", "Care")]
    assert text[spans[1].start :].startswith("## Care")


def test_small_sections_share_a_chunk():
    text = "# A\n\nOne.\n\n# B\n\nTwo.\n"

    assert len(chunk(text)) == 1


def test_a_hash_in_a_code_block_or_in_source_code_is_no_heading():
    fenced = f"```\n# not a heading\n```\n{LONG}"
    code = f"# a comment\n{LONG}"

    assert {span.headings for span in chunk(fenced)} == {()}
    assert {span.headings for span in chunk(code, markdown=False)} == {()}


def test_a_long_section_is_cut_between_sentences_and_repeats_the_last_one():
    text = LONG * 3

    first, second, *_ = chunk(text)

    assert text[: first.end].endswith("here.")
    assert text[second.start :].startswith("One sentence")
    assert first.start < second.start < first.end


def test_prose_that_was_wrapped_is_cut_between_its_sentences():
    sentence = (
        "The shuttle carries the weft through the shed that the heddles opened for it, and back"
    )
    wrapped = textwrap.fill(f"{sentence}. " * 60, width=72)

    spans = chunk(wrapped)

    assert len(spans) > 2
    pieces = [" ".join(wrapped[span.start : span.end].split()) for span in spans]
    assert all(piece.startswith("The shuttle") and piece.endswith("back.") for piece in pieces)


def test_short_lines_are_cut_where_they_end():
    rows = "\n".join(f"row {number} of a table of short lines" for number in range(120))

    pieces = [rows[span.start : span.end] for span in chunk(rows)]

    assert all(piece.startswith("row ") and piece.endswith("lines") for piece in pieces)


def test_a_run_without_spaces_is_cut_all_the_same():
    spans = chunk("x" * 10_000)

    assert max(span.end - span.start for span in spans) <= MAX_SIZE
    assert spans[-1].end == 10_000


@given(st.text(alphabet="ab #`\n.。漢\u202e🎉", max_size=3_000))
def test_chunks_are_in_order_in_bounds_and_leave_no_word_out(text):
    spans = chunk(text)

    covered = set()
    for span in spans:
        assert 0 <= span.start < span.end <= len(text)
        assert text[span.start : span.end].strip() == text[span.start : span.end]
        covered.update(range(span.start, span.end))
    assert [span.start for span in spans] == sorted(span.start for span in spans)
    assert all(text[i].isspace() for i in set(range(len(text))) - covered)
