"""Word files (.docx) as Markdown."""

from io import BytesIO

from markitdown import StreamInfo
from markitdown.converters import DocxConverter

from knowledge.core.types import LoadedText


def read(content: bytes) -> LoadedText:
    """Return the text of a Word file as Markdown."""
    result = DocxConverter().convert(BytesIO(content), StreamInfo(extension=".docx"))
    return LoadedText(text=result.markdown, title=result.title or "", source_type="docx")
