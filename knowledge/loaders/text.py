"""Plain text, Markdown and source code: any encoding in, text out."""

import codecs

from charset_normalizer import from_bytes

from knowledge.core.errors import DocumentUnreadable

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE = 65_536  # enough to see an encoding; guessing over megabytes takes minutes
_TELLING = 100  # bytes; fewer do not tell one of the old encodings from another
_LONGEST_CHARACTER = 3  # bytes of one in UTF-8 that was cut off
_FEW = 3  # letters that no text has, and a short one may be damaged by


def decode(content: bytes) -> str:
    """Return the text of a file.

    Bytes that are not of the encoding become U+FFFD; what is no text at all is refused.

    Raises:
        DocumentUnreadable: The content is binary.
    """
    for bom, encoding in _BOMS:
        if content.startswith(bom) and (encoding == "utf-8-sig" or not _is_bytewise(content)):
            return content.decode(encoding, "replace")
    if content.startswith(b"%PDF-"):  # mostly letters, and nothing a reader would see
        raise DocumentUnreadable(
            "The content is a PDF, not text: give it a name that ends in .pdf."
        )
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        cut_off = error.start >= len(content) - _LONGEST_CHARACTER
        text = content.decode("utf-8" if cut_off else _guess(content), "replace")
    _refuse_binary(text)
    return text


def _is_bytewise(content: bytes) -> bool:
    """Return whether a letter takes one byte here, although it begins like UTF-16 or UTF-32."""
    sample = content[4:_SAMPLE]
    plain = sum(32 <= byte < 127 or byte in b"\t\n\r" for byte in sample)  # noqa: PLR2004 -- ASCII
    return 0 not in sample and plain * 10 > len(sample) * 9


def _guess(content: bytes) -> str:
    sample = content[:_SAMPLE]
    damaged = sample.decode("utf-8", "replace").count("\ufffd")
    if damaged * 100 <= len(sample):  # UTF-8 with a few broken bytes
        return "utf-8"
    if len(sample) < _TELLING:
        return "cp1252"
    best = from_bytes(sample).best()
    return best.encoding if best is not None else "utf-8"


def _refuse_binary(text: str) -> None:
    sample = text[:_SAMPLE]
    odd = sum(c == "\ufffd" or (c < " " and c not in "\t\n\r\f\x1b") for c in sample)
    if odd > max(_FEW, len(sample) / 10):
        raise DocumentUnreadable(
            "The content is binary, not text: give it a file name with the extension of its format."
        )
