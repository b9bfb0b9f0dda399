"""Files inside one root; a path that leads out of it, by dots or links, is no path."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from agents.core.errors import ToolFailed, ToolRetry
from agents.tools.registry import FunctionTool, define_tool

READ, LIST, WRITE = "read_file", "list_files", "write_file"
MAX_READ_BYTES, MAX_WRITE_CHARS, MAX_LISTED = 2_000_000, 1_000_000, 1_000
RelativePath = Annotated[str, Field(min_length=1, max_length=1_000)]


def file_tools(root: Path, *, writable: bool = False) -> list[FunctionTool]:
    """Return the tools over a folder; writing only where it is allowed."""
    folder = Folder(root)
    tools = [
        define_tool(folder.read, name=READ),
        define_tool(folder.list, name=LIST),
    ]
    if writable:
        # The same text written again under the same path leaves the same file.
        tools.append(
            define_tool(folder.write, name=WRITE, tags=("write",), effect=True, idempotent=True)
        )
    return tools


class Folder:
    """What may be done with the files of a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def read(self, path: RelativePath) -> str:
        """Read a text file."""
        place = inside(self._root, path)
        if not place.is_file():
            raise ToolFailed(f"There is no file {path!r}.")
        if place.stat().st_size > MAX_READ_BYTES:
            raise ToolFailed(f"{path!r} is larger than {MAX_READ_BYTES} bytes.")
        raw = place.read_bytes()
        if b"\x00" in raw[:8192]:
            raise ToolFailed(f"{path!r} is not a text file.")
        return raw.decode("utf-8", "replace")

    def list(self, path: str = ".") -> str:
        """List a folder: one name a line, folders end in /."""
        place = inside(self._root, path)
        if not place.is_dir():
            raise ToolFailed(f"There is no folder {path!r}.")
        names = sorted(f"{p.name}/" if p.is_dir() else p.name for p in place.iterdir())
        if len(names) > MAX_LISTED:
            names = [*names[:MAX_LISTED], f"… and {len(names) - MAX_LISTED} more"]
        return "\n".join(names) or "(empty)"

    def write(
        self, path: RelativePath, text: Annotated[str, Field(max_length=MAX_WRITE_CHARS)]
    ) -> str:
        """Write a text file, in place of what was there."""
        place = inside(self._root, path)
        if place.is_dir():
            raise ToolFailed(f"{path!r} is a folder.")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
        return f"Wrote {len(text)} characters to {path}."


def inside(root: Path, path: str) -> Path:
    """Return the place a relative path names.

    Raises:
        ToolRetry: It is outside the root.
    """
    if "\x00" in path:
        raise ToolRetry("A path holds no null characters.")
    place = (root / path).resolve()
    if not place.is_relative_to(root):
        raise ToolRetry(f"{path!r} is outside the folder; paths are relative to it.")
    return place
