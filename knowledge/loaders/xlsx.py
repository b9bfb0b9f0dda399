"""Excel files (.xlsx) as Markdown."""

import re
from io import BytesIO

from markitdown import StreamInfo
from markitdown.converters import XlsxConverter

from knowledge.core.types import LoadedText

_CELL = re.compile(r"^\|.*[^|\s-]", re.MULTILINE)  # sheets without one are a heading and frames


def read(content: bytes) -> LoadedText:
    """Return the text of an Excel file as Markdown; empty when no sheet has a cell with a value."""
    result = XlsxConverter().convert(BytesIO(content), StreamInfo(extension=".xlsx"))
    text = result.markdown if _CELL.search(result.markdown) else ""
    return LoadedText(text=text, title=result.title or "", source_type="xlsx")
