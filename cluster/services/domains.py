"""Domains learn from the tasks that come in: their centroids move, and new ones are born."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from cluster.core import domains
from cluster.models import Domain, Task
from cluster.services.books import factors_renew, market_ensure
from cluster.services.journal import event_append

GOAL_KEPT = 160
RENEW_EACH = 10
"""After so many tasks a domain's place in the factors is looked up anew."""


def centroids_fill(*, workspace_id: str, vectors: Mapping[str, Sequence[float]]) -> None:
    """Give domains that have none yet a centroid: the embedding of their description."""
    changed = 0
    for slug, vector in vectors.items():
        rows = Domain.objects.filter(workspace_id=workspace_id, slug=slug, centroid=None)
        changed += rows.update(centroid=list(vector))
    if changed:
        market_ensure(workspace_id=workspace_id)
        factors_renew(workspace_id=workspace_id)


def goal_seen(*, task: Task, embedding: Sequence[float], now: datetime) -> None:
    """Let the domains of a workspace learn from a locked task's goal; the caller saves the task."""
    workspace_id = str(task.workspace_id)
    rows = [
        row
        for row in Domain.objects.filter(workspace_id=workspace_id, centroid__isnull=False)
        if row.centroid is not None and len(row.centroid) == len(embedding)
    ]
    by_state = {
        state: {row.slug: list(row.centroid) for row in rows if row.state == state}
        for state in Domain.State.values
    }
    found = domains.place(
        embedding, known=by_state[Domain.State.ACTIVE], forming=by_state[Domain.State.FORMING]
    )
    if found.kind == "new":
        _begin(task, embedding, rows, now)
        return
    row = Domain.objects.select_for_update().get(workspace_id=workspace_id, slug=found.slug)
    row.centroid = domains.drifted(
        list(row.centroid or embedding), row.task_n, embedding,
        told=row.origin != Domain.Origin.LEARNED,
    )  # fmt: skip
    row.task_n += 1
    row.seen_at = now
    if row.state == Domain.State.FORMING:
        row.description = f"{row.description}\n{_line(task.goal)}"[: domains.BORN_AT * GOAL_KEPT]
        if _born(row):
            event_append(task, "domain.born", now, domain=row.slug, task_count=int(row.task_n))
    row.save(update_fields=["centroid", "task_n", "seen_at", "state", "slug", "description"])
    settled = row.state == Domain.State.ACTIVE
    if settled and (row.task_n < RENEW_EACH or row.task_n % RENEW_EACH == 0):
        market_ensure(workspace_id=workspace_id)
        factors_renew(workspace_id=workspace_id)


def _begin(task: Task, embedding: Sequence[float], rows: Sequence[Domain], now: datetime) -> None:
    """Remember a goal unlike all others; where there are too many such, the oldest is forgotten."""
    forming = [row for row in rows if row.state == Domain.State.FORMING]
    if len(forming) >= domains.FORMING_MAX:
        oldest = min(forming, key=lambda row: (row.seen_at or now, row.pk))
        Domain.objects.filter(pk=oldest.pk, state=Domain.State.FORMING).delete()
    Domain.objects.bulk_create(
        [
            Domain(
                workspace_id=task.workspace_id,
                slug=f"forming-{str(task.id)[:18]}",
                description=_line(task.goal),
                state=Domain.State.FORMING,
                origin=Domain.Origin.LEARNED,
                centroid=list(embedding),
                task_n=1,
                seen_at=now,
            )
        ],
        ignore_conflicts=True,
    )


def _born(row: Domain) -> bool:
    """Make a domain of a kind of work that was seen often enough, while there is room for it."""
    active = Domain.objects.filter(workspace_id=row.workspace_id, state=Domain.State.ACTIVE)
    taken = frozenset(active.values_list("slug", flat=True))
    if row.task_n < domains.BORN_AT or len(taken) >= domains.DOMAINS_MAX:
        return False
    goals = row.description.splitlines()
    row.slug = domains.named(goals, taken=taken)
    row.description = "work like: " + " · ".join(goals)
    row.state = Domain.State.ACTIVE
    return True


def _line(goal: str) -> str:
    return " ".join(goal.split())[:GOAL_KEPT]
