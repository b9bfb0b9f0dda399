"""A node's life as the work goes on: what each score, each error and each look does to it.

Decisions are those of `core.lifecycle`; here they are read from rows and written to a locked one.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from django.db.models import F

from cluster.core import lifecycle
from cluster.core.lifecycle import Circuit, NodeLife, Record, Surroundings
from cluster.core.policy import GrowthPolicy, growth_policy
from cluster.core.types import Status
from cluster.models import AgentNode, Auction, LifecycleEvent, Task
from loomsite.access.models import Workspace

LIFE_FIELDS: Final = (
    "state", "quarantined_at", "retired_at", "scored_n", "scored_total", "probe_n", "probe_total",
    "probe_squares", "probed_at",
)  # fmt: skip
CIRCUIT_FIELDS: Final = ("hard_errors", "retry_at")


def life_of(node: AgentNode) -> Record:
    """Return a node's evidence for its own life, from its row."""
    return Record(
        life=NodeLife(node.state),
        n=node.scored_n,
        total=node.scored_total,
        probe_n=node.probe_n,
        probe_total=node.probe_total,
        probe_squares=node.probe_squares,
        probed_at=node.probed_at,
    )


def node_scored(
    *, node: AgentNode, task: Task, score: float, policy: GrowthPolicy, now: datetime
) -> str | None:
    """Let one more score decide about a locked node's life; return the event, if there was one.

    The caller saves `LIFE_FIELDS`. In quarantine only fresh evidence counts: a late word about
    work that was handed out before it began says nothing new.
    """
    if not _fresh(node, task):
        return None
    record = lifecycle.scored(life_of(node), score, now=now)
    return _decided(node, record, policy, now, held=1)


def node_reconsider(*, node: AgentNode, now: datetime) -> str | None:
    """Judge a locked node on what is known already: what was put off while it was busy."""
    settings = Workspace.objects.values_list("settings", flat=True).get(id=node.workspace_id)
    return _decided(node, life_of(node), growth_policy(settings), now, held=0)


def node_erred(*, node: AgentNode, reason: str, now: datetime) -> Circuit:
    """Count a hard error of a locked node; the caller saves `CIRCUIT_FIELDS`."""
    before = Circuit(hard_errors=node.hard_errors, retry_at=node.retry_at)
    circuit = lifecycle.hard_error(before, now=now)
    node.hard_errors, node.retry_at = circuit.hard_errors, circuit.retry_at
    if circuit.hard_errors == lifecycle.CIRCUIT_ERRORS:
        life_event(
            node,
            "circuit_opened",
            f"{circuit.hard_errors} hard errors in a row ({reason or 'no answer'}): no bids until "
            f"{circuit.retry_at:%H:%M:%S}, then one try; its skill is not touched",
        )
    return circuit


def node_answered(*, node: AgentNode) -> None:
    """Close a locked node's circuit: it answered; the caller saves `CIRCUIT_FIELDS`."""
    if node.hard_errors >= lifecycle.CIRCUIT_ERRORS:
        life_event(node, "circuit_closed", f"it answered after {node.hard_errors} hard errors")
    node.hard_errors, node.retry_at = 0, None


def life_event(node: AgentNode, kind: str, reason: str, *, actor: str = "", **more: Any) -> None:  # noqa: ANN401 -- JSON values
    """Write down what happened to a node, and the evidence of that moment."""
    LifecycleEvent.objects.create(
        node=node, kind=kind, reason=reason, actor=actor, detail={**evidence_of(node), **more}
    )


def evidence_of(node: AgentNode) -> dict[str, Any]:
    """Return the evidence for a node's life, as events keep it."""
    return {
        "state": node.state,
        "scored_n": round(node.scored_n, 3),
        "mean": round(node.scored_total / node.scored_n, 4) if node.scored_n else None,
        "probe_n": node.probe_n,
        "probe_mean": round(node.probe_total / node.probe_n, 4) if node.probe_n else None,
        "hard_errors": node.hard_errors,
    }


def life_write(node: AgentNode, record: Record, now: datetime) -> None:
    """Put a record into a locked node's row; the caller saves `LIFE_FIELDS`."""
    if record.life is NodeLife.QUARANTINED and node.state != AgentNode.State.QUARANTINED:
        node.quarantined_at = now
    if record.life is NodeLife.ACTIVE:
        node.quarantined_at = None
    node.retired_at = (node.retired_at or now) if record.life is NodeLife.RETIRED else None
    node.state = record.life.value
    node.scored_n, node.scored_total = record.n, record.total
    node.probe_n, node.probe_total = record.probe_n, record.probe_total
    node.probe_squares, node.probed_at = record.probe_squares, record.probed_at


def node_out(*, node: AgentNode, reason: str, actor: str, now: datetime) -> bool:
    """Retire a locked node whose blueprint is out of service; say whether that could be done.

    One that works, waits for its parts, or is among the last stays until it is not.
    """
    settings = Workspace.objects.values_list("settings", flat=True).get(id=node.workspace_id)
    least = growth_policy(settings).min_nodes
    last = (
        node.state == AgentNode.State.ACTIVE and active_count(node.workspace_id, lock=True) <= least
    )
    if last or is_engaged(node):
        return False
    life_event(node, "retired", reason, actor=actor)
    life_write(node, replace(life_of(node), life=NodeLife.RETIRED), now)
    node.save(update_fields=[*LIFE_FIELDS])
    return True


def is_engaged(node: AgentNode, *, held: int = 0) -> bool:
    """Tell whether a node works, or waits for the parts of a task that it won.

    `held` slots belong to work that has just ended.
    """
    return node.busy > held or _splitting(node)


def active_count(workspace_id: object, *, lock: bool = False) -> int:
    """Return how many nodes are active; with `lock` nobody else takes one off until the end."""
    if lock:
        rows = Workspace.objects.select_for_update(no_key=True).filter(id=workspace_id).order_by()
        list(rows.values_list("id"))
    return AgentNode.objects.filter(
        workspace_id=workspace_id, state=AgentNode.State.ACTIVE, agent__enabled=True
    ).count()


def _splitting(node: AgentNode) -> bool:
    return Auction.objects.filter(
        winner_id=node.pk,
        cycle=F("task__cycle"),
        task__status=Status.WAITING,
        task__pending_children__gt=0,
    ).exists()


def _decided(
    node: AgentNode, record: Record, policy: GrowthPolicy, now: datetime, *, held: int
) -> str | None:
    # Surroundings only ever hold back: where nothing would happen in the best of them, as after
    # nearly every score, nobody has to look at them.
    idle = Surroundings(
        floor=policy.quality_floor, active_count=policy.min_nodes + 1, min_nodes=policy.min_nodes
    )
    decision = lifecycle.judge(record, idle)
    if decision.event is not None:
        around = replace(idle, engaged=is_engaged(node, held=held))
        if not around.engaged:
            # Two at once, each could think the other stays: who counts holds the others off.
            last = decision.event == "quarantined"
            around = replace(around, active_count=active_count(node.workspace_id, lock=last))
        decision = lifecycle.judge(record, around)
    life_write(node, decision.record, now)
    if decision.event:
        life_event(node, decision.event, decision.reason)
    return decision.event


def _fresh(node: AgentNode, task: Task) -> bool:
    """Tell whether the work was handed out in the node's present state."""
    if node.state != AgentNode.State.QUARANTINED or node.quarantined_at is None:
        return True
    return Auction.objects.filter(
        task=task, cycle=task.cycle, held_at__gte=node.quarantined_at
    ).exists()
