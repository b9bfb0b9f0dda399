"""Writes of skills."""

import base64
from typing import Any

from django.db import transaction

from agents.core.errors import NotFound, SkillInvalid
from agents.models import Skill
from agents.services import rules
from agents.services.skill_versions import version_keep
from agents.skills import loader
from loomsite.access.core import untrusted
from loomsite.access.core.errors import InputInvalid


def skill_import(
    *,
    workspace_id: str,
    markdown: str = "",
    archive: bytes = b"",
    state: str = Skill.State.DRAFT,
    origin: str = Skill.Origin.IMPORTED,
    evidence: dict[str, Any] | None = None,
    by: str = "",
    replace: bool = True,
) -> str:
    """Keep the skill of a SKILL.md, or of an archive that holds one, and return its id.

    A skill of that name is replaced, what it said is kept as a version, and what agents read
    changes from their next run on; with `replace` off it is refused.

    Raises:
        InputInvalid: It is no skill; says what to change.
    """
    try:
        skill = loader.from_archive(archive) if archive else loader.parse(markdown)
    except SkillInvalid as error:
        raise _refused(str(error), field="archive" if archive else "markdown") from None
    if archive and markdown:
        raise _refused("Give either a SKILL.md or an archive.")
    values: dict[str, Any] = {
        "description": skill.description,
        "instructions": skill.instructions,
        "keywords": list(skill.keywords),
        "patterns": list(skill.patterns),
        "files": dict(skill.files),
    }
    fault = untrusted.fault(values) or rules.slug(skill.name)
    if fault:
        raise _refused(fault)
    rules.validate({"state": state}, {"state": rules.one_of(*Skill.State.values)})
    with transaction.atomic():
        rows = Skill.objects.select_for_update().filter(workspace_id=workspace_id)
        before = rows.filter(name=skill.name).first()
        if before is not None:
            if not replace:
                raise _refused(f"There is a skill {skill.name!r} already: say that it is replaced.")
            version_keep(before)  # of a skill from before versions were kept
        row, _ = Skill.objects.update_or_create(
            workspace_id=workspace_id,
            name=skill.name,
            defaults={**values, "state": state, "origin": origin, "evidence": evidence or {}},
        )
        version_keep(row, by=by, reason=f"{origin}")
    return str(row.pk)


def skill_set_state(*, workspace_id: str, name: str, state: str) -> None:
    """Activate a skill that was reviewed, or retire one.

    Raises:
        InputInvalid: There is no such state.
        NotFound: No such skill in this workspace.
    """
    rules.validate({"state": state}, {"state": rules.one_of(*Skill.State.values)})
    with transaction.atomic():
        rows = Skill.objects.select_for_update().filter(workspace_id=workspace_id, name=name)
        row = rows.first()
        if row is None:
            raise NotFound(kind="skill", name=name)
        row.state = state
        row.save(update_fields=["state", "updated_at"])


def upload_read(content: bytes) -> dict[str, Any]:
    """Return what `skill_import` is given for an uploaded file: a SKILL.md or a zip.

    Raises:
        InputInvalid: It is neither, empty or too large.
    """
    if not content:
        raise _refused("The file is empty.", field="file")
    if len(content) > loader.MAX_TOTAL_BYTES:
        raise _refused(f"The file is larger than {loader.MAX_TOTAL_BYTES} bytes.", field="file")
    if content.startswith(b"PK"):
        return {"archive": content}
    try:
        return {"markdown": content.decode()}
    except UnicodeDecodeError:
        raise _refused("Is neither a zip nor UTF-8 text.", field="file") from None


def archive_decoded(text: str) -> bytes:
    """Return the bytes of an archive that came as base64.

    Raises:
        InputInvalid: It is no base64.
    """
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise _refused("Must be base64.", field="archive") from None


def _refused(message: str, *, field: str = "markdown") -> InputInvalid:
    return InputInvalid.of(field, message)
