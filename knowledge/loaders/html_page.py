"""HTML: what a reader sees, as Markdown."""

from io import BytesIO

from markitdown import StreamInfo
from markitdown.converters import HtmlConverter

from knowledge.core.types import LoadedText
from knowledge.loaders.text import decode


def read(content: bytes) -> LoadedText:
    """Return a page as Markdown, without scripts and styles."""
    page = decode(content).encode()
    result = HtmlConverter().convert(
        BytesIO(page), StreamInfo(extension=".html", mimetype="text/html", charset="utf-8")
    )
    return LoadedText(text=result.markdown, title=result.title or "", source_type="html")
