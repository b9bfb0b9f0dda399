"""CSV and TSV: each row as a line that names its columns, so that it can be found alone."""

import csv
from io import StringIO

from knowledge.core.errors import DocumentUnreadable
from knowledge.core.types import LoadedText
from knowledge.loaders.text import decode

_SNIFFED = 8_192


def read(content: bytes) -> LoadedText:
    """Return a table's rows as `column: value; column: value` lines.

    Raises:
        DocumentUnreadable: It is no table.
    """
    text = decode(content)
    try:
        dialect = csv.Sniffer().sniff(text[:_SNIFFED], delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel
    try:
        rows = [row for row in csv.reader(StringIO(text, newline=""), dialect) if any(row)]
    except csv.Error as error:
        raise DocumentUnreadable(f"The table cannot be read: {error}.") from error
    header, body = (rows[0], rows[1:]) if len(rows) > 1 else ([], rows)
    lines: list[str] = []
    for row in body:
        names = [*header, *[""] * (len(row) - len(header))]
        cells = [
            f"{name}: {cell}" if name else cell
            for name, cell in zip(map(_line, names), map(_line, row), strict=False)
            if cell
        ]
        lines.append("; ".join(cells))
    return LoadedText(text="\n".join(lines), source_type="csv")


def _line(cell: str) -> str:
    return " ".join(cell.split())
