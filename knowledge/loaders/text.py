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


def decode(content: bytes) -> str:
    """Return the text of a file.

    Bytes that are not of the encoding become U+FFFD; what is no text at all is refused.

    Raises:
        DocumentUnreadable: The content is binary.
    """
    for bom, encoding in _BOMS:
        if content.startswith(bom):
            return content.decode(encoding, "replace")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode(_guess(content), "replace")
    _refuse_binary(text)
    return text


def _guess(content: bytes) -> str:
    sample = content[:_SAMPLE]
    damaged = sample.decode("utf-8", "replace").count("\ufffd")
    if damaged * 100 <= len(sample):  # UTF-8 with a few broken bytes
        return "utf-8"
    best = from_bytes(sample).best()
    return best.encoding if best is not None else "utf-8"


def _refuse_binary(text: str) -> None:
    sample = text[:_SAMPLE]
    odd = sum(c == "\ufffd" or (c < " " and c not in "\t\n\r\f\x1b") for c in sample)
    if odd * 10 > len(sample):
        raise DocumentUnreadable(
            "The content is binary, not text: give it a file name with the extension of its format."
        )
