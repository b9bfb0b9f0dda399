"""What a split teaches: its worth by domain and complexity, and what its parts did for it."""

from datetime import datetime
from decimal import Decimal

from django.db import connection
from django.db.models import Max, Sum

from cluster.core import splitting
from cluster.core.codec import value_load
from cluster.core.phases.scale import work_of
from cluster.core.rewards import credit
from cluster.core.splitting import Arm
from cluster.core.types import (
    Executed,
    Matched,
    Outcome,
    Phase,
    ScorePart,
    Sensed,
    Status,
    TaskView,
    Verdict,
)
from cluster.models import AgentNode, Family, MarketEntry, PhaseRecord, Reward, Task
from cluster.selectors.spine import own_cost
from cluster.selectors.splits import rates_of, split_table
from cluster.services.rewards import reward_write
from cluster.services.settlement import score_settle

AVERAGE_WORK = 0.8
"""Work of a task of middling complexity: what a usual cost and a usual time are taken to be."""
# Both cells in one order, so that two settlements never wait for each other.
_KEEP = """
INSERT INTO cluster_splitcell AS c (workspace_id, domain, arm, bin, n, total)
VALUES (%(workspace)s, '', %(arm)s, %(bin)s, 1, %(off)s)
    , (%(workspace)s, %(domain)s, %(arm)s, %(bin)s, 1, %(off)s)
ON CONFLICT (workspace_id, domain, arm, bin) DO UPDATE
SET n = %(fade)s * c.n + 1, total = %(fade)s * c.total + EXCLUDED.total
"""


def arm_keep(*, task: Task, view: TaskView, score: float, now: datetime) -> None:
    """Note how far a judged task was worth more or less than its way of working promised.

    Planner, parts and merge are all charged to it, and the time from its first phase to now.
    """
    if view.sensed is None or view.scaled is None or not view.sensed.main_domain:
        return
    scaled, sensed = view.scaled, view.sensed
    arm = Arm.SPLIT if scaled.split else Arm.SOLO
    work = work_of(
        view.matched,
        sensed,
        part_count=max(len(scaled.parts), 1),
        depth=splitting.depth_of({part.key: part.depends_on for part in scaled.parts}),
    )
    rates = rates_of(task.workspace.settings)
    cost, time = _spent(task, sensed, now)
    worth = splitting.utility(score, cost=cost, time=time, rates=rates)
    ease = splitting.ease_of(sensed.complexity, _complexities(task)) if scaled.split else None
    if ease is not None:
        _keep(task, sensed, arm=splitting.EASE, at=0, off=ease)
    table = split_table(workspace_id=str(task.workspace_id), domain=sensed.main_domain)
    off = worth - splitting.forecast(work, arm, rates, table)
    _keep(task, sensed, arm=arm.value, at=splitting.bin_of(sensed.complexity), off=off)


def _keep(task: Task, sensed: Sensed, *, arm: str, at: int, off: float) -> None:
    """Add one result to a cell of the work's domain, and to the one of all domains."""
    values = {
        "workspace": task.workspace_id,
        "domain": sensed.main_domain,
        "arm": arm,
        "bin": at,
        "off": off,
        "fade": splitting.FADE,
    }
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, values)


def _complexities(task: Task) -> list[float]:
    """Return how complex the parts of this cycle were sensed to be; none where no model looked."""
    rows = PhaseRecord.objects.filter(
        task__parent=task, task__parent_cycle=task.cycle, phase=Phase.SENSE.value, cycle=1
    )
    told = [value_load(Sensed, row) for row in rows.values_list("result", flat=True)]
    return [one.complexity for one in told if one.source == "model"]


def families_lock(*, task: Task, view: TaskView, node_id: str | None) -> None:
    """Lock the families of all who may learn from a split, in one order, first of all."""
    if view.scaled is None or not view.scaled.split:
        return
    nodes = [matched.node_id for _, matched, _ in _unsettled(task, view)] + [node_id]
    found = Family.objects.filter(nodes__in=[one for one in nodes if one])
    rows = Family.objects.select_for_update().filter(
        id__in=list(found.values_list("id", flat=True))
    )
    list(rows.order_by("id").values_list("id"))


def parts_settle(*, task: Task, view: TaskView, score: float | None, now: datetime) -> int:
    """Let the market learn from the parts of a judged task what it did not learn before.

    A part that was scored itself counts with its own score; of one that nobody scored, all that is
    known is what the whole was worth. Returns how many were learned from.
    """
    parts = _unsettled(task, view)
    own = {part.pk: part.score for part, _, _ in parts if part.verified and part.score is not None}
    expected = {str(part.pk): matched.success_probability or 0.5 for part, matched, _ in parts}
    lent = credit(expected, score) if score is not None and expected else {}
    known = [row for row in parts if row[0].pk in own or str(row[0].pk) in lent]
    for part, matched, sensed in known:
        value = own.get(part.pk)
        number = 0
        if value is None:
            value = lent[str(part.pk)]
            number = _lend(part, matched, value)
        assert matched.node_id
        score_settle(
            task=part, node_id=matched.node_id, score=value, sensed=sensed, evaluation=number,
            predicted=matched.success_probability, now=now,
        )  # fmt: skip
    return len(known)


def _spent(task: Task, sensed: Sensed, now: datetime) -> tuple[float, float]:
    """Return cost and time of a task with all its parts, in units of an average task's work."""
    below = Task.objects.filter(parent=task, parent_cycle=task.cycle)
    usd = own_cost(task.id).cost_usd + (below.aggregate(usd=Sum("cost_usd"))["usd"] or Decimal(0))
    nodes = AgentNode.objects.filter(workspace_id=task.workspace_id, task_count__gt=0)
    usual = nodes.aggregate(usd=Sum("cost_usd"), s=Sum("seconds"), n=Sum("task_count"))
    usual_usd = (usual["usd"] or Decimal(0)) / (usual["n"] or 1)
    usual_s = (usual["s"] or 0.0) / (usual["n"] or 1)
    alone = splitting.WORK_BASE + sensed.complexity
    begun = PhaseRecord.objects.filter(task=task, cycle=task.cycle).order_by("id").first()
    took_s = (now - begun.started_at).total_seconds() if begun else 0.0
    cost = float(usd / usual_usd) * AVERAGE_WORK if usual_usd > 0 else alone
    return cost, took_s / usual_s * AVERAGE_WORK if usual_s > 0 else alone


def _unsettled(task: Task, view: TaskView) -> list[tuple[Task, Matched, Sensed]]:
    """Return the parts of this cycle that ended with an answer and taught nothing yet."""
    if view.scaled is None or not view.scaled.split:
        return []
    rows = Task.objects.filter(
        parent=task, parent_cycle=task.cycle, status=Status.SUCCEEDED.value
    ).select_related("workspace")
    found: list[tuple[Task, Matched, Sensed]] = []
    for part in rows.order_by("id"):
        if MarketEntry.objects.filter(task=part, kind="score").exists():
            continue
        records = dict(
            PhaseRecord.objects.filter(task=part, cycle=part.cycle).values_list("phase", "result")
        )
        if not {Phase.SENSE, Phase.MATCH, Phase.EXECUTE} <= records.keys():
            continue
        matched = value_load(Matched, records[Phase.MATCH])
        executed = value_load(Executed, records[Phase.EXECUTE])
        if matched.node_id and executed.run_id and AgentNode.objects.filter(pk=matched.node_id):
            found.append((part, matched, value_load(Sensed, records[Phase.SENSE])))
    return found


def _lend(part: Task, matched: Matched, value: float) -> int:
    """Write down what a part gets of its parent's score; return the evaluation's number."""
    last = Reward.objects.filter(task=part, cycle=part.cycle).aggregate(n=Max("evaluation"))["n"]
    number = 0 if last is None else last + 1
    said = "Nobody scored this part: it has its share in what the whole was worth."
    share = ScorePart(source="credit", name="parent", score=value, weight=1.0, detail=said)
    reward_write(
        task=part,
        verdict=Verdict(
            outcome=Outcome.SUCCEEDED, score=value, verified=True, accepted=True,
            components=(share,), comment=said,
        ),
        node_id=matched.node_id, evaluation=number, source="credit",
    )  # fmt: skip
    return number
