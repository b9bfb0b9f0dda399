"""PowerPoint files (.pptx) as Markdown."""

import re
from io import BytesIO

from markitdown import StreamInfo
from markitdown.converters import PptxConverter

from knowledge.core.types import LoadedText

_SLIDE_MARK = re.compile(r"<!-- Slide number: \d+ -->\n?")


def read(content: bytes) -> LoadedText:
    """Return the text of a PowerPoint file as Markdown."""
    result = PptxConverter().convert(BytesIO(content), StreamInfo(extension=".pptx"))
    return LoadedText(
        text=_SLIDE_MARK.sub("", result.markdown), title=result.title or "", source_type="pptx"
    )
