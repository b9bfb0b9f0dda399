import pytest

from knowledge.core.errors import DocumentEmpty, DocumentRejected, DocumentTooLarge
from knowledge.core.preparing import (
    MAX_TEXT_CHARS,
    check_external_id,
    clean,
    clean_values,
    cut,
    digest_of,
)
from knowledge.core.types import LoadedText


def test_a_clean_text_can_be_stored_by_postgres():
    assert clean("a\x00b\r\nc\rd\ud800") == "ab\nc\nd?"
    assert clean_values({"k\x00": ["a\x00", 1, None, {"b": "\x00"}]}) == {
        "k": ["a", 1, None, {"b": ""}]
    }


def test_chunks_carry_title_and_headings_into_what_is_embedded():
    loaded = LoadedText(text="# Care\n\nOil it.", source_type="markdown")

    (chunk,) = cut(loaded, title="Looms", language="english")

    assert chunk.embedding_text == "Looms\nCare\n# Care\n\nOil it."
    assert chunk.heading == "Care"


def test_the_digest_changes_with_text_title_and_language_and_nothing_else():
    loaded = LoadedText(text="Looms weave.")
    base = digest_of(loaded, title="t", language="english")

    assert base == digest_of(loaded, title="t", language="english")
    assert base != digest_of(loaded, title="u", language="english")
    assert base != digest_of(loaded, title="t", language="german")
    assert base != digest_of(LoadedText(text="x"), title="t", language="english")


def test_a_document_without_text_or_with_too_much_is_refused():
    with pytest.raises(DocumentEmpty):
        cut(LoadedText(text=" \n"), title="t", language="english")
    with pytest.raises(DocumentTooLarge):
        cut(LoadedText(text="x" * (MAX_TEXT_CHARS + 1)), title="t", language="english")


@pytest.mark.parametrize("external_id", ["", "  ", "x" * 501, "a\x00b"])
def test_a_name_that_cannot_be_stored_is_refused(external_id):
    with pytest.raises(DocumentRejected):
        check_external_id(external_id)
