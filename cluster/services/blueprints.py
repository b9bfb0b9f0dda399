"""Blueprints: made, reviewed, raced, promoted, rolled back, retired; a version never changes."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from cluster.core.errors import BlueprintInvalid, BlueprintUnknown, PopulationConflict
from cluster.core.forging import FORMAT, slug_fits, spec_problems
from cluster.core.policy import GrowthPolicy, growth_policy
from cluster.core.reasons import reason_read
from cluster.models import AgentNode, Blueprint, BlueprintEvent
from cluster.selectors.grants import tools_grantable
from cluster.selectors.spine import database_now
from cluster.services.births import blueprint_spawn
from cluster.services.drafts import tasks_waiting, tasks_wake
from cluster.services.lives import node_out
from loomsite.access.ids import uuid_of
from loomsite.access.models import Workspace

State = Blueprint.State
LIVE = (State.ACTIVE, State.CHALLENGER)


def blueprint_import(
    *, workspace_id: str, document: object, actor: str, reason: str = "imported"
) -> str:
    """Make a blueprint of an exported document, and return its id.

    Where the workspace wants blueprints reviewed it is a draft until somebody approves it.

    Raises:
        BlueprintInvalid: The document is none, or asks for what cannot be granted.
        PopulationConflict: The workspace has one of that name, or as many as it may have.
    """
    slug, spec = _document(document)
    with transaction.atomic():
        row = blueprint_write(
            workspace_id=workspace_id,
            slug=slug,
            spec=spec,
            origin=Blueprint.Origin.IMPORTED,
            reason=reason_read(reason),
            actor=actor,
        )
    return str(row.pk)


def blueprint_write(
    *,
    workspace_id: str,
    slug: str,
    spec: Mapping[str, Any],
    origin: str,
    reason: str,
    actor: str,
    parent: AgentNode | None = None,
) -> Blueprint:
    """Keep the first version of a new line: at work at once, or a draft where that is the policy.

    Raises:
        BlueprintInvalid, PopulationConflict: As `blueprint_import`.
    """
    spec_check(workspace_id, spec)
    policy = policy_locked(workspace_id)
    lines = Blueprint.objects.filter(workspace_id=workspace_id)
    if lines.filter(slug=slug).exists():
        raise PopulationConflict(
            f"There is a blueprint {slug!r} already: choose another slug, or revise that one.",
            field="slug",
        )
    count = lines.exclude(state=State.RETIRED).values("slug").distinct().count()
    if count >= policy.max_blueprints:
        raise PopulationConflict(
            f"There are {count} blueprints, as many as this workspace may have: retire some."
        )
    auto = policy.blueprint_approval == "auto"
    row = Blueprint.objects.create(
        workspace_id=workspace_id,
        slug=slug,
        spec=dict(spec),
        origin=origin,
        reason=reason,
        created_by=actor[:200],
        state=State.ACTIVE if auto else State.DRAFT,
    )
    blueprint_event(row, "created", reason, actor)
    if auto:
        blueprint_event(row, "approved", "approved by the workspace's setting", "policy")
        blueprint_spawn(blueprint=row, reason=reason, parent=parent, actor=actor)
    return row


def blueprint_revise(
    *, workspace_id: str, blueprint_id: str, changes: Mapping[str, Any], reason: str, actor: str
) -> str:
    """Make the next version of a blueprint's line, which challenges the leader; return its id.

    Raises:
        BlueprintUnknown: There is none with this id here.
        BlueprintInvalid: What would come out asks for what cannot be granted, or is no change.
        PopulationConflict: The line has no leader, or another challenger already.
    """
    with transaction.atomic():
        row = blueprint_locked(workspace_id, blueprint_id)
        child = version_add(
            of=row,
            spec={**row.spec, **changes},
            origin=Blueprint.Origin.WRITTEN,
            reason=reason_read(reason),
            actor=actor,
            reviewed=True,
        )
    return str(child.pk)


def version_add(
    *,
    of: Blueprint,
    spec: Mapping[str, Any],
    origin: str,
    reason: str,
    actor: str,
    reviewed: bool,
) -> Blueprint:
    """Keep the next version of a locked blueprint's line: a challenger, or a draft to be reviewed.

    Raises:
        BlueprintInvalid, PopulationConflict: As `blueprint_revise`.
    """
    spec_check(str(of.workspace_id), spec)
    if dict(spec) == of.spec:
        raise BlueprintInvalid("Nothing would change: a new version has to differ.")
    line = Blueprint.objects.filter(workspace_id=of.workspace_id, slug=of.slug)
    _line_must_be_free(line)
    policy = policy_locked(str(of.workspace_id))
    at_once = reviewed or policy.blueprint_approval == "auto"
    child = Blueprint.objects.create(
        workspace_id=of.workspace_id,
        slug=of.slug,
        version=max(line.values_list("version", flat=True)) + 1,
        parent=of,
        spec=dict(spec),
        origin=origin,
        reason=reason,
        created_by=actor[:200],
        state=State.CHALLENGER if at_once else State.DRAFT,
    )
    blueprint_event(child, "created", reason, actor)
    if at_once:
        _send_into_race(child, reason, actor)
    return child


def blueprint_approve(*, workspace_id: str, blueprint_id: str, reason: str, actor: str) -> None:
    """Let a draft work: as the leader of a new line, or as challenger of the line's leader.

    Raises:
        BlueprintUnknown: There is none with this id here.
        BlueprintInvalid: It asks for what cannot be granted any more.
        PopulationConflict: It is no draft, or its line has a challenger.
    """
    with transaction.atomic():
        tasks_woken = tasks_waiting(blueprint_id=blueprint_id)
        row = blueprint_locked(workspace_id, blueprint_id)
        approve(row, reason=reason_read(reason), actor=actor)
        tasks_wake(tasks=tasks_woken)


def approve(row: Blueprint, *, reason: str, actor: str, parent: AgentNode | None = None) -> None:
    """Let a locked draft work."""
    _must_be(row, State.DRAFT)
    spec_check(str(row.workspace_id), row.spec)
    line = Blueprint.objects.filter(workspace_id=row.workspace_id, slug=row.slug)
    blueprint_event(row, "approved", reason, actor)
    if line.filter(state=State.ACTIVE).exists():
        _line_must_be_free(line.exclude(pk=row.pk))
        _send_into_race(row, reason, actor)
        return
    row.state, row.promoted_at = State.ACTIVE, database_now()
    row.save(update_fields=["state", "promoted_at"])
    blueprint_spawn(blueprint=row, reason=reason, parent=parent, actor=actor)


def blueprint_refuse(*, workspace_id: str, blueprint_id: str, reason: str, actor: str) -> None:
    """Turn a draft down.

    Raises:
        BlueprintUnknown: There is none with this id here.
        PopulationConflict: It is no draft.
    """
    with transaction.atomic():
        tasks_woken = tasks_waiting(blueprint_id=blueprint_id)
        row = blueprint_locked(workspace_id, blueprint_id)
        _must_be(row, State.DRAFT)
        retire(row, kind="refused", reason=reason_read(reason), actor=actor)
        tasks_wake(tasks=tasks_woken)


def blueprint_promote(*, workspace_id: str, blueprint_id: str, reason: str, actor: str) -> None:
    """Make a version the leader of its line; the one that led so far is retired.

    Raises:
        BlueprintUnknown: There is none with this id here.
        BlueprintInvalid: It asks for what cannot be granted any more.
        PopulationConflict: It leads already.
    """
    with transaction.atomic():
        row = blueprint_locked(workspace_id, blueprint_id)
        if row.state == State.ACTIVE:
            raise PopulationConflict(f"{row} leads its line already.")
        promote(row, reason=reason_read(reason), actor=actor)


def promote(row: Blueprint, *, reason: str, actor: str, kind: str = "promoted") -> None:
    """Make a locked version the leader of its line."""
    spec_check(str(row.workspace_id), row.spec)
    line = Blueprint.objects.select_for_update().filter(
        workspace_id=row.workspace_id, slug=row.slug
    )
    for leader in line.filter(state=State.ACTIVE).exclude(pk=row.pk):
        retire(leader, kind="retired", reason=f"{row} leads instead: {reason}", actor=actor)
    row.state, row.promoted_at, row.retired_at = State.ACTIVE, database_now(), None
    row.save(update_fields=["state", "promoted_at", "retired_at"])
    blueprint_event(row, kind, reason, actor)
    blueprint_spawn(blueprint=row, reason=reason, actor=actor)


def blueprint_rollback(*, workspace_id: str, blueprint_id: str, reason: str, actor: str) -> str:
    """Take a version back: a challenger leaves the race, a leader gives way to its parent.

    Returns the id of the version that leads then.

    Raises:
        BlueprintUnknown: There is none with this id here.
        PopulationConflict: It neither leads nor challenges, or has no parent to go back to.
    """
    with transaction.atomic():
        row = blueprint_locked(workspace_id, blueprint_id)
        _must_be(row, *LIVE)
        return str(roll_back(row, reason=reason_read(reason), actor=actor).pk)


def roll_back(row: Blueprint, *, reason: str, actor: str) -> Blueprint:
    """Take a locked version back and return the one that leads then."""
    if row.state == State.CHALLENGER:
        retire(row, kind="rolled_back", reason=reason, actor=actor)
        return Blueprint.objects.get(
            workspace_id=row.workspace_id, slug=row.slug, state=State.ACTIVE
        )
    if row.parent_id is None:
        raise PopulationConflict(f"{row} is the first of its line: there is nothing to go back to.")
    parent = Blueprint.objects.select_for_update().get(pk=row.parent_id)
    retire(row, kind="rolled_back", reason=reason, actor=actor)
    promote(parent, reason=f"back from {row}: {reason}", actor=actor, kind="revived")
    return parent


def blueprint_retire(*, workspace_id: str, blueprint_id: str, reason: str, actor: str) -> None:
    """Take a version out of service, and its agents as soon as they are idle.

    Raises:
        BlueprintUnknown: There is none with this id here.
        PopulationConflict: It is retired already, or its line would be left to a challenger alone.
    """
    with transaction.atomic():
        row = blueprint_locked(workspace_id, blueprint_id)
        _must_be(row, *LIVE, State.DRAFT)
        line = Blueprint.objects.filter(workspace_id=workspace_id, slug=row.slug)
        if row.state == State.ACTIVE and line.filter(state=State.CHALLENGER).exists():
            raise PopulationConflict("Its line has a challenger: promote that, or roll it back.")
        retire(row, kind="retired", reason=reason_read(reason), actor=actor)


def retire(row: Blueprint, *, kind: str, reason: str, actor: str) -> None:
    """Take a locked version out of service; its nodes get no work from now on."""
    now = database_now()
    row.state, row.retired_at = State.RETIRED, now
    row.save(update_fields=["state", "retired_at"])
    blueprint_event(row, kind, reason, actor)
    why = f"{row} is out of service: {reason}"
    nodes = AgentNode.objects.select_for_update(of=("self",)).filter(blueprint=row)
    for node in nodes.exclude(state=AgentNode.State.RETIRED).order_by("id"):
        node_out(node=node, reason=why, actor=actor, now=now)


def blueprint_spawn_node(
    *, workspace_id: str, blueprint_id: str, reason: str, actor: str
) -> str | None:
    """Make an agent and its node from a version at work; None when it has one already.

    Raises:
        BlueprintUnknown: There is none with this id here.
        PopulationConflict: It is not at work, or the population is full.
    """
    with transaction.atomic():
        row = blueprint_locked(workspace_id, blueprint_id)
        _must_be(row, *LIVE)
        policy = policy_locked(workspace_id)
        if nodes_room(workspace_id, policy) < 1:
            raise PopulationConflict(
                f"There are {policy.max_nodes} nodes, as many as this workspace may have."
            )
        node = blueprint_spawn(blueprint=row, reason=reason_read(reason), actor=actor)
    return str(node.pk) if node else None


def blueprint_event(row: Blueprint, kind: str, reason: str, actor: str) -> None:
    BlueprintEvent.objects.create(blueprint=row, kind=kind, reason=reason, actor=actor[:200])


def blueprint_locked(workspace_id: str, blueprint_id: str) -> Blueprint:
    """Lock a workspace's blueprint with all versions of its line, in one order for everybody.

    Whoever leads a line changes with who led it before: two who each held one of them would wait
    for each other, or both would lead.

    Raises:
        BlueprintUnknown: There is none with this id here.
    """
    rows = Blueprint.objects.filter(workspace_id=workspace_id)
    slug = rows.filter(id=uuid_of(blueprint_id)).values_list("slug", flat=True).first()
    line = rows.filter(slug=slug).select_for_update(of=("self",)).order_by("id")
    row = next((each for each in line if each.pk == uuid_of(blueprint_id)), None)
    if row is None:
        raise BlueprintUnknown(f"There is no blueprint {blueprint_id!r}.", field="blueprint_id")
    return row


def policy_locked(workspace_id: str) -> GrowthPolicy:
    """Return the workspace's policy, so that nobody else counts against its caps until the end."""
    row = Workspace.objects.select_for_update(no_key=True).get(id=workspace_id)
    return growth_policy(row.settings)


def nodes_room(workspace_id: str, policy: GrowthPolicy) -> int:
    """Return how many more nodes a workspace may have."""
    nodes = AgentNode.objects.filter(workspace_id=workspace_id)
    return policy.max_nodes - nodes.exclude(state=AgentNode.State.RETIRED).count()


def spec_check(workspace_id: str, spec: object) -> None:
    """Pass when a blueprint may be made of a spec.

    Raises:
        BlueprintInvalid: It says everything that is in the way.
    """
    problems = spec_problems(spec, grants=tools_grantable(workspace_id=workspace_id))
    if problems:
        raise BlueprintInvalid(
            f"This cannot be a blueprint: {'; '.join(problems)}.", field="document"
        )


def _send_into_race(row: Blueprint, reason: str, actor: str) -> None:
    row.state = State.CHALLENGER
    row.save(update_fields=["state"])
    blueprint_event(row, "challenged", reason, actor)
    leaders = AgentNode.objects.filter(
        workspace_id=row.workspace_id, family__slug=row.slug, state=AgentNode.State.ACTIVE
    )
    blueprint_spawn(
        blueprint=row, reason=reason, actor=actor, parent=leaders.order_by("created_at").first()
    )


def _line_must_be_free(line: Any) -> None:  # noqa: ANN401 -- a query set
    if line.filter(state=State.CHALLENGER).exists():
        raise PopulationConflict(
            "The line has a challenger already: promote it or roll it back first."
        )
    if not line.filter(state=State.ACTIVE).exists():
        raise PopulationConflict("Nobody leads the line: promote a version first.")


def _must_be(row: Blueprint, *states: str) -> None:
    if row.state not in states:
        raise PopulationConflict(
            f"{row} is {row.state}; this is for versions that are {' or '.join(states)}."
        )


def _document(document: object) -> tuple[str, Mapping[str, Any]]:
    if not isinstance(document, dict):
        raise BlueprintInvalid("A blueprint's document is a JSON object.", field="document")
    fields: dict[str, Any] = document
    said = fields.get("format", FORMAT)
    if said != FORMAT:
        raise BlueprintInvalid(f"The format is {said!r}; {FORMAT!r} can be read.", field="format")
    slug, spec = fields.get("slug"), fields.get("spec")
    if not slug_fits(slug):
        raise BlueprintInvalid("slug: Use 1 to 63 of a to z, 0 to 9 and hyphen.", field="slug")
    if not isinstance(spec, dict):
        raise BlueprintInvalid("spec must be a JSON object.", field="spec")
    return str(slug), spec
