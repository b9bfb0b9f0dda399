"""Conversion in a process of its own: real files, hostile files."""

import openpyxl
import pytest

from knowledge.core.errors import DocumentTooLarge, DocumentUnreadable
from knowledge.core.types import LoadedText
from knowledge.loaders.converting import convert
from tests.support.hostile_files import bomb, excel, pdf, saved, slides, word


@pytest.mark.parametrize(
    ("kind", "make", "text"),
    [
        ("docx", word, "# Looms\n\nA loom weaves."),
        ("xlsx", excel, "| loom | 12 |"),
        ("pptx", slides, "# Looms\nA loom weaves."),
        ("pdf", lambda: pdf("A loom weaves."), "A loom weaves."),
        ("html", lambda: '<meta charset="latin-1"><p>Köln</p>'.encode("latin-1"), "Köln"),
        ("html", '<meta charset="latin-1"><p>Köln</p>'.encode, "Köln"),
        ("html", lambda: b"<h1>Looms</h1><script>x</script><p>A loom.</p>", "# Looms\n\nA loom."),
    ],
)
def test_a_file_of_each_format_gives_its_text(kind, make, text):
    loaded = convert(kind, make())

    assert text in loaded.text
    assert isinstance(loaded, LoadedText)
    assert loaded.source_type == kind


@pytest.mark.parametrize(
    ("kind", "make", "error", "says"),
    [
        ("docx", bomb, DocumentTooLarge, "unpacks to 310 MiB"),
        ("docx", lambda: b"no zip", DocumentUnreadable, "damaged"),
        ("xlsx", lambda: b"\xd0\xcf\x11\xe0 ole", DocumentUnreadable, "encrypted"),
        ("docx", excel, DocumentUnreadable, "no docx file"),
        ("pdf", lambda: b"%PDF-1.4 cut", DocumentUnreadable, "cannot be read"),
        ("pdf", lambda: pdf(password="secret"), DocumentUnreadable, "encrypted"),
        ("pdf", pdf, DocumentUnreadable, "OCR"),
        ("pdf", word, DocumentUnreadable, "no PDF"),
    ],
)
def test_a_hostile_file_is_one_clear_sentence(kind, make, error, says):
    with pytest.raises(error, match=says):
        convert(kind, make())


def test_a_workbook_without_a_value_has_no_text():
    assert convert("xlsx", saved(openpyxl.Workbook())).text == ""


def test_a_file_that_takes_too_long_is_given_up_and_its_process_is_gone():
    with pytest.raises(DocumentUnreadable, match="not read within"):
        convert("html", b"<p>slow</p>", timeout_s=0.01)
