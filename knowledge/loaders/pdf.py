"""PDF: the text of each page."""

from io import BytesIO

from pypdf import PdfReader
from pypdf.errors import PyPdfError

from knowledge.core.errors import DocumentUnreadable
from knowledge.core.types import LoadedText

_MARK_WITHIN = 1_024  # bytes; readers allow for something in front of it


def read(content: bytes) -> LoadedText:
    """Return the text of a PDF, a blank line between pages.

    Raises:
        DocumentUnreadable: It is damaged, or wants a password.
    """
    if b"%PDF-" not in content[:_MARK_WITHIN]:
        raise DocumentUnreadable("The content is no PDF: give it the extension of its format.")
    try:
        reader = PdfReader(BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise DocumentUnreadable("The PDF is encrypted: remove its password first.")
        pages = [page.extract_text() for page in reader.pages]
        title = str((reader.metadata.title if reader.metadata else "") or "")
    except PyPdfError as error:
        raise DocumentUnreadable(f"The PDF cannot be read: {error}") from error
    text = "\n\n".join(page.strip() for page in pages if page.strip())
    if not text:
        raise DocumentUnreadable(
            "The PDF holds no text, only pictures of pages: run it through OCR first."
        )
    return LoadedText(text=text, title=title, source_type="pdf")
