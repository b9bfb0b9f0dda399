"""Excel files (.xlsx) as Markdown."""

from io import BytesIO

from markitdown import StreamInfo
from markitdown.converters import XlsxConverter

from knowledge.core.types import LoadedText


def read(content: bytes) -> LoadedText:
    """Return the text of a Excel file as Markdown."""
    result = XlsxConverter().convert(BytesIO(content), StreamInfo(extension=".xlsx"))
    return LoadedText(text=result.markdown, title=result.title or "", source_type="xlsx")
