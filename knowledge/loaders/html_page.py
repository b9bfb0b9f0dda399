"""HTML: what a reader sees, as Markdown."""

import codecs
import re
from io import BytesIO

from markitdown import StreamInfo
from markitdown.converters import HtmlConverter

from knowledge.core.types import LoadedText
from knowledge.loaders.text import decode

# As browsers do, only the beginning is searched for what the page says of itself.
_DECLARED = re.compile(
    rb"<(?:meta|\?xml)\b[^>]*?(?:charset|encoding)\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE
)
_HEAD = 4_096


def read(content: bytes) -> LoadedText:
    """Return a page as Markdown, without scripts and styles."""
    page = decode(_in_utf8(content)).encode()
    result = HtmlConverter().convert(
        BytesIO(page), StreamInfo(extension=".html", mimetype="text/html", charset="utf-8")
    )
    return LoadedText(text=result.markdown, title=result.title or "", source_type="html")


def _in_utf8(content: bytes) -> bytes:
    """Return a page that declares another encoding in UTF-8; one that is UTF-8 is left alone."""
    declared = _DECLARED.search(content, 0, _HEAD)
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        if declared is None:
            return content
    else:
        return content
    try:
        encoding = codecs.lookup(declared.group(1).decode("ascii")).name
        return content.decode(encoding, "replace").encode()
    except (LookupError, ValueError):
        return content
