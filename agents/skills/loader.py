"""From a SKILL.md folder or archive to a skill."""

import io
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, cast

import yaml

from agents.core.errors import SkillInvalid
from agents.core.patterns import linear_search

FILE = "SKILL.md"
MAX_FILE_BYTES, MAX_FILES, MAX_TOTAL_BYTES = 500_000, 200, 5_000_000
MAX_NAME, MAX_DESCRIPTION = 64, 1_024
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_FRONT = re.compile(r"\A---\r?\n(?P<yaml>.*?)\r?\n---[ \t]*(?:\r?\n|\Z)(?P<body>.*)\Z", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """Written know-how.

    Attributes:
        instructions: The body of SKILL.md, read when the skill is wanted.
        keywords: Words in a goal that call for it.
        patterns: Regular expressions that do.
        files: Scripts and references by path; text, never run by reading it.
    """

    name: str
    description: str
    instructions: str
    keywords: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict[str, str])


def parse(text: str, files: Mapping[str, str] | None = None) -> Skill:
    """Return the skill that a SKILL.md describes.

    Raises:
        SkillInvalid: Its front matter is missing, broken or incomplete, or a pattern is none.
    """
    found = _FRONT.match(text.removeprefix("\ufeff"))
    if found is None:
        raise SkillInvalid(f"{FILE} must begin with front matter between two lines of ---.")
    try:
        front: object = yaml.safe_load(found["yaml"])
    except (yaml.YAMLError, RecursionError) as error:
        raise SkillInvalid(f"The front matter of {FILE} is not YAML: {error}") from None
    if not isinstance(front, dict):
        raise SkillInvalid(f"The front matter of {FILE} must be a list of name: value.")
    facts = cast("dict[str, Any]", front)
    name = _text(facts, "name", MAX_NAME)
    if not _NAME.fullmatch(name):
        raise SkillInvalid(f"The name {name!r} may hold lower-case letters, digits and hyphens.")
    patterns = _list(facts, "patterns")
    try:
        linear_search(patterns)
    except ValueError as error:
        raise SkillInvalid(str(error)) from None
    if not found["body"].strip():
        raise SkillInvalid(f"{FILE} of {name!r} has no instructions below its front matter.")
    return Skill(
        name=name,
        description=_text(facts, "description", MAX_DESCRIPTION),
        instructions=found["body"].strip(),
        keywords=tuple(_list(facts, "keywords")),
        patterns=tuple(patterns),
        files=dict(files or {}),
    )


def from_folder(folder: Path) -> Skill:
    """Return the skill in a folder, with the text files beside its SKILL.md.

    Raises:
        SkillInvalid: There is none, it is broken, or something in it leads out of the folder.
    """
    root = folder.resolve()
    found: dict[str, bytes] = {}
    for place in sorted(root.rglob("*")):
        if not place.resolve().is_relative_to(root):
            raise SkillInvalid(f"{place.relative_to(root)} leads out of the folder.")
        if place.is_file():
            name = place.relative_to(root).as_posix()
            found[name] = _bounded(name, place.stat().st_size, len(found), place.read_bytes)
    return _of_files(found)


def from_archive(archive: bytes) -> Skill:
    """Return the skill in a zip archive, at its top or in its only folder.

    Raises:
        SkillInvalid: It is no archive, too large, broken, or names paths outside itself.
    """
    found: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as packed:
            entries = [entry for entry in packed.infolist() if not entry.is_dir()]
            for entry in entries:
                path = PurePosixPath(entry.filename.replace("\\", "/"))
                if path.is_absolute() or ".." in path.parts or ":" in entry.filename:
                    raise SkillInvalid(f"{entry.filename!r} leads out of the archive.")

                def read(entry: zipfile.ZipInfo = entry) -> bytes:
                    with packed.open(entry) as opened:
                        return opened.read(MAX_FILE_BYTES + 1)

                found[str(path)] = _bounded(str(path), entry.file_size, len(found), read)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise SkillInvalid(f"The archive cannot be read: {error}") from None
    tops = {name.split("/", 1)[0] for name in found}
    if FILE not in found and len(tops) == 1:
        found = {name.split("/", 1)[1]: raw for name, raw in found.items() if "/" in name}
    return _of_files(found)


def _of_files(found: Mapping[str, bytes]) -> Skill:
    if FILE not in found:
        raise SkillInvalid(f"There is no {FILE}.")
    if sum(len(raw) for raw in found.values()) > MAX_TOTAL_BYTES:
        raise SkillInvalid(f"The skill is larger than {MAX_TOTAL_BYTES} bytes.")
    try:
        text = found[FILE].decode()
    except UnicodeDecodeError:
        raise SkillInvalid(f"{FILE} is not UTF-8 text.") from None
    files: dict[str, str] = {}
    for name, raw in found.items():
        if name != FILE and b"\x00" not in raw[:8192]:
            files[name] = raw.decode("utf-8", "replace")
    return parse(text, files)


def _bounded(name: str, size: int, before: int, read: Any) -> bytes:  # noqa: ANN401 -- a function of nothing
    if before >= MAX_FILES:
        raise SkillInvalid(f"The skill has more than {MAX_FILES} files.")
    if size <= MAX_FILE_BYTES:
        raw: bytes = read()
        if len(raw) <= MAX_FILE_BYTES:  # an archive may lie about sizes
            return raw
    raise SkillInvalid(f"{name} is larger than {MAX_FILE_BYTES} bytes.")


def _text(facts: Mapping[str, Any], key: str, longest: int) -> str:
    value = facts.get(key)
    if not isinstance(value, str) or not value.strip():
        raise SkillInvalid(f"The front matter of {FILE} needs a {key}.")
    if len(value) > longest:
        raise SkillInvalid(f"The {key} is longer than {longest} characters.")
    return " ".join(value.split())


def _list(facts: Mapping[str, Any], key: str) -> list[str]:
    value: Any = facts.get(key) or []
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    if not isinstance(value, list):
        raise SkillInvalid(f"{key} must be a list of texts.")
    return [str(part) for part in cast("list[Any]", value) if str(part).strip()]
