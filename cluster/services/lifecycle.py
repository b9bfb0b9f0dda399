"""What operators do to nodes, and the look at everybody's health that beat asks for."""

from dataclasses import replace
from uuid import UUID

from django.db import transaction

from agents.services.handoffs import facts_hand_on
from cluster.core.errors import NodeUnknown, PopulationConflict, RequestInvalid
from cluster.core.lifecycle import NodeLife, Record, revive
from cluster.core.policy import growth_policy
from cluster.core.reasons import reason_read
from cluster.models import AgentNode, Blueprint, Family, LifecycleEvent
from cluster.selectors.spine import database_now
from cluster.services.lives import (
    LIFE_FIELDS,
    active_count,
    is_engaged,
    life_event,
    life_of,
    life_write,
    node_out,
    node_reconsider,
)
from cluster.services.merges import evidence_merge, evidence_unmerge
from loomsite.access.ids import uuid_of, uuids_of
from loomsite.access.models import Workspace

AT_ONCE = 500
# What an operator may take back, the latest first.
UNDOABLE = ("quarantined", "retired", "merged")


def node_quarantine(*, workspace_id: str, node_id: str, reason: str, actor: str) -> None:
    """Take a node off the market until probes, or an operator, say otherwise.

    Raises:
        NodeUnknown: There is none with this id here.
        RequestInvalid: No reason is given.
        PopulationConflict: It is not active, or too few would be left.
    """
    with transaction.atomic():
        node = _locked(workspace_id, node_id)
        _must_be(node, AgentNode.State.ACTIVE)
        _must_leave_enough(node)
        record = Record(life=NodeLife.QUARANTINED, n=node.scored_n, total=node.scored_total)
        _done(node, record, "quarantined", reason, actor)


def node_release(*, workspace_id: str, node_id: str, reason: str, actor: str) -> None:
    """Let a node out of quarantine, with a clean record.

    Raises:
        NodeUnknown: There is none with this id here.
        RequestInvalid: No reason is given.
        PopulationConflict: It is not in quarantine.
    """
    with transaction.atomic():
        node = _locked(workspace_id, node_id)
        _must_be(node, AgentNode.State.QUARANTINED)
        _done(node, revive(life_of(node)), "released", reason, actor)


def node_retire(*, workspace_id: str, node_id: str, reason: str, actor: str) -> None:
    """Take a node out of service; `node_undo` brings it back.

    Raises:
        NodeUnknown: There is none with this id here.
        RequestInvalid: No reason is given.
        PopulationConflict: It is retired, works or waits for its parts, or too few would be left.
    """
    with transaction.atomic():
        node = _locked(workspace_id, node_id)
        _must_be(node, AgentNode.State.ACTIVE, AgentNode.State.QUARANTINED)
        _must_be_idle(node)
        if node.state == AgentNode.State.ACTIVE:
            _must_leave_enough(node)
        record = _with_life(life_of(node), NodeLife.RETIRED)
        _done(node, record, "retired", reason, actor)


def node_undo(*, workspace_id: str, node_id: str, reason: str, actor: str) -> str:
    """Take back the last quarantine, retirement or merge; return which of them it was.

    The node starts again with a clean record. What a merge gave of its evidence comes back, as far
    as the ledger still tells it; its record and its key facts stay where they went.

    Raises:
        NodeUnknown: There is none with this id here.
        RequestInvalid: No reason is given.
        PopulationConflict: It is active: there is nothing to take back.
    """
    with transaction.atomic():
        _families_lock(workspace_id, node_id)
        node = _locked(workspace_id, node_id)
        _must_be(node, AgentNode.State.QUARANTINED, AgentNode.State.RETIRED)
        last = LifecycleEvent.objects.filter(node=node, kind__in=UNDOABLE).first()
        kind = last.kind if last else node.state
        back = kind == "merged" and evidence_unmerge(source=node, now=database_now())
        node.merged_into_id = None
        _done(node, revive(life_of(node)), "undone", reason, actor, undone=kind, evidence=back)
    return kind


def node_merge(*, workspace_id: str, node_id: str, into_id: str, reason: str, actor: str) -> None:
    """Retire a node in favour of another, which takes over its evidence and its key facts.

    What its results said of its skill goes along within a family, and stays behind otherwise.
    The facts follow within the next look at everybody's health, since they have to be indexed.

    Raises:
        NodeUnknown: One of them is not here.
        RequestInvalid: No reason is given, or both are the same.
        PopulationConflict: One of them is retired, or the first one works or waits for its parts.
    """
    if node_id == into_id:
        raise RequestInvalid("A node cannot be merged into itself.", field="into_id")
    with transaction.atomic():
        first, second = sorted((str(node_id), str(into_id)))
        _families_lock(workspace_id, first, second)
        rows = {key: _locked(workspace_id, key) for key in (first, second)}  # one order for all
        node, into = rows[str(node_id)], rows[str(into_id)]
        _must_be(node, AgentNode.State.ACTIVE, AgentNode.State.QUARANTINED)
        _must_be(into, AgentNode.State.ACTIVE)
        _must_be_idle(node)
        if node.state == AgentNode.State.ACTIVE:
            _must_leave_enough(node)
        into.scored_n += node.scored_n
        into.scored_total += node.scored_total
        into.save(update_fields=["scored_n", "scored_total"])
        evidence = evidence_merge(source=node, target=into, now=database_now())
        node.merged_into_id = into.pk
        record = _with_life(life_of(node), NodeLife.RETIRED)
        _done(node, record, "merged", reason, actor, into=str(into.pk), evidence=evidence)


def health_look() -> int:
    """Judge what was put off, and let parents take over what their children learned.

    Safe to run twice and side by side. Returns how many nodes changed their state.
    """
    changed = 0
    waiting = (
        AgentNode.objects.exclude(state=AgentNode.State.RETIRED)
        .filter(busy=0)
        .exclude(scored_n=0, probe_n=0)
    )
    for node_id in waiting.order_by("id").values_list("id", flat=True)[:AT_ONCE]:
        changed += _reconsidered(node_id)
    past = AgentNode.objects.filter(blueprint__state=Blueprint.State.RETIRED, busy=0)
    past = past.exclude(state=AgentNode.State.RETIRED)
    for node_id in past.order_by("id").values_list("id", flat=True)[:AT_ONCE]:
        changed += _pensioned(node_id)
    _absorb()
    return changed


def _reconsidered(node_id: UUID) -> bool:
    with transaction.atomic():
        node = AgentNode.objects.select_for_update(skip_locked=True).filter(id=node_id).first()
        if node is None:
            return False  # somebody is settling it: that judges it too
        event = node_reconsider(node=node, now=database_now())
        if event:
            node.save(update_fields=[*LIFE_FIELDS])
        return event is not None


def _pensioned(node_id: UUID) -> bool:
    with transaction.atomic():
        rows = AgentNode.objects.select_for_update(skip_locked=True, of=("self",))
        node = rows.filter(id=node_id).exclude(state=AgentNode.State.RETIRED).first()
        if node is None:
            return False
        reason = "its blueprint is out of service"
        return node_out(node=node, reason=reason, actor="beat", now=database_now())


def _absorb() -> None:
    """Let the key facts of children, and of merged nodes, be remembered by those they go to."""
    rows = AgentNode.objects.exclude(parent=None, merged_into=None).select_related(
        "parent", "merged_into"
    )
    for node in rows.order_by("id")[:AT_ONCE]:
        heir = node.merged_into or node.parent
        assert heir is not None  # by the query
        count = facts_hand_on(
            workspace_id=str(node.workspace_id),
            from_agent_id=str(node.agent_id),
            to_agent_id=str(heir.agent_id),
            why="absorbed",
        )
        if count:
            life_event(heir, "absorbed", f"{count} key facts of {node.agent.slug}", facts=count)


def _families_lock(workspace_id: str, *node_ids: str) -> None:
    """Lock these nodes' families, as settlements do, before the nodes themselves."""
    owned = AgentNode.objects.filter(workspace_id=workspace_id, id__in=uuids_of(node_ids))
    families = Family.objects.select_for_update().filter(id__in=owned.values("family_id"))
    list(families.order_by("id").values_list("id", flat=True))


def _locked(workspace_id: str, node_id: str) -> AgentNode:
    rows = AgentNode.objects.select_for_update(of=("self",)).filter(workspace_id=workspace_id)
    row = rows.filter(id=uuid_of(node_id)).first()
    if row is None:
        raise NodeUnknown(f"There is no node {str(node_id)!r}.", field="node_id")
    return row


def _done(
    node: AgentNode, record: Record, kind: str, reason: str, actor: str, **more: object
) -> None:
    life_event(node, kind, reason_read(reason), actor=actor, **more)
    life_write(node, record, database_now())
    node.save(update_fields=[*LIFE_FIELDS, "merged_into"])


def _must_be(node: AgentNode, *states: str) -> None:
    if node.state not in states:
        raise PopulationConflict(
            f"The node is {node.state}; this is for nodes that are {' or '.join(states)}."
        )


def _must_be_idle(node: AgentNode) -> None:
    if is_engaged(node):
        raise PopulationConflict(
            "The node works on a task, or waits for the parts of one: put it in quarantine, and "
            "retire it when it is done."
        )


def _must_leave_enough(node: AgentNode) -> None:
    settings = Workspace.objects.values_list("settings", flat=True).get(id=node.workspace_id)
    least = growth_policy(settings).min_nodes
    active = active_count(node.workspace_id, lock=True)
    if active <= least:
        raise PopulationConflict(
            f"Only {active} nodes are active, and {least} have to stay: add an agent first."
        )


def _with_life(record: Record, life: NodeLife) -> Record:
    return replace(record, life=life)
