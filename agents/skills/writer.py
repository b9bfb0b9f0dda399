"""From a skill back to a SKILL.md, and to an archive of its folder."""

import io
import zipfile
from typing import Any

import yaml

from agents.skills.loader import FILE, Skill

_LONG = 10**6  # one line a value: what people wrote is not wrapped anew
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same skill gives the same bytes


def to_markdown(skill: Skill) -> str:
    """Return a skill as a SKILL.md that `loader.parse` reads as the same skill."""
    front: dict[str, Any] = {"name": skill.name, "description": skill.description}
    if skill.keywords:
        front["keywords"] = list(skill.keywords)
    if skill.patterns:
        front["patterns"] = list(skill.patterns)
    head = yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=_LONG)
    return f"---\n{head}---\n\n{skill.instructions.strip()}\n"


def to_archive(skill: Skill) -> bytes:
    """Return a zip of a skill's folder."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        texts = {FILE: to_markdown(skill), **dict(sorted(skill.files.items()))}
        for name, text in texts.items():
            entry = zipfile.ZipInfo(f"{skill.name}/{name}", date_time=_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, text)
    return packed.getvalue()
