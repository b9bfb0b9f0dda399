import pytest

from knowledge.core.errors import (
    DocumentEmpty,
    DocumentTooLarge,
    DocumentUnreadable,
    FormatUnsupported,
)
from knowledge.core.types import DocumentInput, LoadedText
from knowledge.loaders.registry import MAX_BYTES, load


def read(name, content):
    return load(DocumentInput(external_id="x", content=content, file_name=name))


@pytest.mark.parametrize(
    ("name", "content", "loaded"),
    [
        ("h.md", b"# Looms ##\n", ("Looms", "markdown", "# Looms ##\n")),
        ("a/b.md", b"# Looms\n\nText.", ("Looms", "markdown", "# Looms\n\nText.")),
        ("notes.TXT", "Grüße".encode(), ("notes", "text", "Grüße")),
        ("u.txt", "Grüße".encode("utf-16"), ("u", "text", "Grüße")),
        ("b.txt", b"\xef\xbb\xbfBOM", ("b", "text", "BOM")),
        ("broken.txt", b"x" * 200 + b"\xff", ("broken", "text", "x" * 200 + "\ufffd")),
        ("cut.txt", b"good start \xe2\x82", ("cut", "text", "good start \ufffd")),
        ("marked.txt", b"\xff\xfe bytes", ("marked", "text", "ÿþ bytes")),
        ("old.txt", "naïve Straße".encode("cp1252"), ("old", "text", "naïve Straße")),
        ("nul.txt", b"a\x00b", ("nul", "text", "a\x00b")),
        ("c.py", b"def f(): ...", ("c", "code", "def f(): ...")),
        ("Makefile", b"all:", ("Makefile", "code", "all:")),
        ("t.csv", b"name;price\nloom;12\n;3\n", ("t", "csv", "name: loom; price: 12\nprice: 3")),
        ("j.json", b'[{"a": {"b": [1, "x"]}}, {"c": null}]', ("j", "json", "a.b: 1\na.b: x")),
        ("m.csv", b'a;b\n"two\nlines";3\n', ("m", "csv", "a: two lines; b: 3")),
        (
            "f.md",
            b"```\n# no heading\n```\n# Looms\n",
            ("Looms", "markdown", "```\n# no heading\n```\n# Looms\n"),
        ),
        ("u.jsonl", '{"a": "x\u2028y"}\r\n{"a": 2}'.encode(), ("u", "json", "a: x\u2028y\n\na: 2")),
        ("l.jsonl", b'{"a": 1}\n\n{"a": true}\n', ("l", "json", "a: 1\n\na: true")),
    ],
)
def test_each_format_gives_its_text_and_a_title(name, content, loaded):
    found = read(name, content)

    assert (found.title, found.source_type, found.text) == loaded


def test_given_text_is_markdown_when_it_has_headings():
    assert load(DocumentInput(external_id="x", text="plain #1")) == LoadedText(text="plain #1")
    assert load(DocumentInput(external_id="x", text="# A\nb")).source_type == "markdown"


def test_a_line_of_many_that_is_no_json_is_named():
    with pytest.raises(DocumentUnreadable, match="line 3: "):
        read("a.jsonl", b'{"a": 1}\n\nno json\n')


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("a.md", b" \n\x00", DocumentEmpty),
        ("a.md", b"x" * (MAX_BYTES + 1), DocumentTooLarge),
        ("a.exe", b"MZ", FormatUnsupported),
        ("a.txt", b"%PDF-1.7\n1 0 obj", DocumentUnreadable),
        ("noextension", b"text", FormatUnsupported),
        ("a.txt", bytes(range(256)) * 10, DocumentUnreadable),
        ("a.json", b"{", DocumentUnreadable),
        ("a.json", b"[" * 100_000, DocumentUnreadable),
        ("a.csv", b'"' + b"x" * 200_000, DocumentUnreadable),
    ],
)
def test_what_cannot_be_read_is_refused(name, content, error):
    with pytest.raises(error):
        read(name, content)
