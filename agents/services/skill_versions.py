"""What people do to skills by hand, each change a version that can be gone back to."""

from typing import Any, TypedDict, Unpack

from django.db import IntegrityError, transaction

from agents.core.errors import NotFound, SlugTaken
from agents.core.patterns import linear_search
from agents.models import Skill, SkillVersion
from agents.services import rules
from agents.skills.loader import MAX_DESCRIPTION, MAX_FILE_BYTES, MAX_FILES
from loomsite.access.core.errors import InputInvalid
from loomsite.access.ids import uuid_of

SPEC_FIELDS = ("description", "instructions", "keywords", "patterns", "files")


class SkillFields(TypedDict, total=False):
    """What can be said of a skill besides its name."""

    description: str
    instructions: str
    keywords: list[str]
    patterns: list[str]
    files: dict[str, str]


def _patterns(value: object) -> str | None:
    fault = rules.words(value)
    if fault or not isinstance(value, list | tuple):
        return fault
    try:
        linear_search([str(pattern) for pattern in value])
    except ValueError as error:
        return str(error)
    return None


def _files(value: object) -> str | None:
    if not isinstance(value, dict) or len(value) > MAX_FILES:
        return f"Must be an object of at most {MAX_FILES} paths and their texts."
    for path, text in value.items():
        if not isinstance(text, str) or len(text) > MAX_FILE_BYTES:
            return f"{path!r} must be text of at most {MAX_FILE_BYTES} characters."
        if path.startswith("/") or "\\" in path or ".." in path.split("/"):
            return f"{path!r} leads out of the skill's folder."
    return None


_CHECKS: dict[str, rules.Check] = {
    "name": rules.slug,
    "description": rules.text(MAX_DESCRIPTION, least=1),
    "instructions": rules.text(200_000, least=1),
    "keywords": rules.words,
    "patterns": _patterns,
    "files": _files,
}


def skill_create(
    *, workspace_id: str, name: str, by: str = "", **fields: Unpack[SkillFields]
) -> str:
    """Write a skill by hand, as a draft, and return its id.

    Raises:
        InputInvalid: A field cannot be used.
        SlugTaken: The workspace has one of that name.
    """
    rules.validate({"name": name, "description": "", "instructions": "", **fields}, _CHECKS)
    try:
        with transaction.atomic():
            row = Skill.objects.create(workspace_id=workspace_id, name=name, **fields)
            version_keep(row, by=by)
    except IntegrityError as error:
        if not rules.violates(error, "agents_skill_name_once_per_workspace"):
            raise
        raise SlugTaken(kind="skill", slug=name) from None
    return str(row.pk)


def skill_update(
    *,
    workspace_id: str,
    skill_id: str,
    by: str = "",
    reason: str = "",
    **changes: Unpack[SkillFields],
) -> int:
    """Change a skill and return the number of its version, a new one if it says something else.

    Raises:
        InputInvalid: A field cannot be used.
        NotFound: No such skill in this workspace.
    """
    rules.validate(changes, _CHECKS)
    with transaction.atomic():
        row = _locked(workspace_id, skill_id)
        version_keep(row)  # of a skill from before versions were kept
        for name, value in changes.items():
            setattr(row, name, value)
        row.save()
        return version_keep(row, by=by, reason=reason)


def skill_restore(
    *, workspace_id: str, skill_id: str, number: int, expected: int, by: str = "", reason: str = ""
) -> int:
    """Make a skill say what one of its versions said, as its next version; return that number.

    Args:
        workspace_id: Whose skill.
        skill_id: Which one.
        number: The version to go back to.
        expected: The version that whoever asks believes to be the current one.
        by: Who asks.
        reason: Why.

    Raises:
        InputInvalid: The skill has changed meanwhile, or says that already.
        NotFound: No such skill or version in this workspace.
    """
    with transaction.atomic():
        row = _locked(workspace_id, skill_id)
        version = SkillVersion.objects.filter(skill=row, number=number).first()
        if version is None:
            raise NotFound(kind="version", name=str(number))
        if expected != row.version_number:
            raise _refused(f"The skill is at version {row.version_number} by now: look again.")
        if version.spec == spec_of(row):
            raise _refused(f"The skill says what version {number} said already.")
        for name in SPEC_FIELDS:
            setattr(row, name, version.spec[name])
        row.save()
        return version_keep(row, by=by, reason=reason or f"rolled back to version {number}")


def version_keep(row: Skill, *, by: str = "", reason: str = "") -> int:
    """Keep what a skill says as its next version, unless the last one says the same.

    Call it in the transaction that wrote the row. Returns the number of its version.
    """
    spec = spec_of(row)
    last = SkillVersion.objects.filter(skill=row).order_by("-number").first()
    if last is not None and last.spec == spec:
        return last.number
    number = 1 if last is None else last.number + 1
    SkillVersion.objects.create(
        workspace_id=row.workspace.pk,
        skill=row,
        number=number,
        spec=spec,
        created_by=by[:200],
        reason=reason[:500],
    )
    Skill.objects.filter(pk=row.pk).update(version_number=number)
    row.version_number = number
    return number


def spec_of(row: Skill) -> dict[str, Any]:
    """Return what a version keeps of a skill."""
    return {name: getattr(row, name) for name in SPEC_FIELDS}


def _locked(workspace_id: str, skill_id: str) -> Skill:
    rows = Skill.objects.select_for_update().filter(workspace_id=workspace_id)
    row = rows.filter(pk=uuid_of(skill_id)).first()
    if row is None:
        raise NotFound(kind="skill", name=skill_id)
    return row


def _refused(message: str) -> InputInvalid:
    return InputInvalid.of("number", message, detail=message)
