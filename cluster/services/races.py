"""Races between the versions of a line: who gets which work, and who leads in the end."""

import hashlib
from random import Random

from django.db import connection, transaction
from django.db.models import Count, Sum

from cluster.core import blueprints as rules
from cluster.core.blueprints import Challenge, VersionRecord
from cluster.core.policy import growth_policy
from cluster.models import Blueprint, MarketEntry
from cluster.services.blueprints import blueprint_locked, promote, roll_back
from loomsite.access.models import Workspace

State = Blueprint.State
AT_ONCE = 200
# Asked before every auction: the nodes of lines that race, and of versions out of service.
_RACING = """
SELECT n.id, b.slug, b.state FROM cluster_blueprint b
JOIN cluster_agentnode n ON n.blueprint_id = b.id AND n.state <> 'retired'
WHERE b.workspace_id = %(workspace)s AND (b.state <> 'active' OR b.slug IN (
    SELECT slug FROM cluster_blueprint
    WHERE workspace_id = %(workspace)s AND state = 'challenger'))
"""


def races_left_out(*, workspace_id: str, task_id: str, cycle: int) -> tuple[str, ...]:
    """Return the nodes that stay out of a cycle's auction because of a race, or are past one.

    On a capped share of the work a line's challenger stands in for its leader; on the rest it
    stands back. The lot is drawn from task, cycle and line: the same in any process.
    """
    with connection.cursor() as cursor:
        cursor.execute(_RACING, {"workspace": workspace_id})
        nodes = cursor.fetchall()
    if not nodes:
        return ()
    racing = {slug for _, slug, state in nodes if state == State.CHALLENGER}
    settings = Workspace.objects.values_list("settings", flat=True).get(id=workspace_id)
    share = growth_policy(settings).challenger_share
    turn = {slug: _challengers_turn(task_id, cycle, slug, share) for slug in racing}
    out = [
        str(node_id)
        for node_id, slug, state in nodes
        if state in (State.RETIRED, State.DRAFT)
        or (slug in racing and (state == State.CHALLENGER) is not turn[slug])
    ]
    return tuple(sorted(out))


def record_of(blueprint: Blueprint, *, since: Blueprint | None = None) -> VersionRecord:
    """Return the judged results of a version, from the ledger; with `since`, those of its time."""
    lines = MarketEntry.objects.filter(
        node__blueprint=blueprint, kind="score", score__isnull=False, evaluation=0
    )
    if since is not None:
        lines = lines.filter(at__gte=since.created_at)
    found = lines.aggregate(n=Count("id"), total=Sum("score"))
    return VersionRecord(version_id=str(blueprint.pk), n=found["n"], total=found["total"] or 0.0)


def races_look() -> int:
    """Promote or roll back challengers on the evidence; return how many races ended."""
    ended = 0
    ids = Blueprint.objects.filter(state=State.CHALLENGER).order_by("id")
    for blueprint_id, workspace_id in ids.values_list("id", "workspace_id")[:AT_ONCE]:
        with transaction.atomic():
            row = blueprint_locked(str(workspace_id), str(blueprint_id))
            ended += row.state == State.CHALLENGER and _race(row)
    return ended


def _race(challenger: Blueprint) -> bool:
    """Decide a locked challenger's race, if it can be; say whether it is over."""
    leader = Blueprint.objects.filter(
        workspace_id=challenger.workspace_id, slug=challenger.slug, state=State.ACTIVE
    ).first()
    if leader is None:
        promote(challenger, reason="nobody led its line any more", actor="race")
        return True
    own, other = record_of(challenger), record_of(leader, since=challenger)
    verdict, why = rules.challenge(other, own)
    if (
        verdict is Challenge.GO_ON
        and (own.n + other.n)
        and not (own.n + other.n) % rules.RACE_EVERY
    ):
        lost = {
            drop.version_id: drop.reason for drop in rules.race([own, other], rng=_rng(own, other))
        }
        if own.version_id in lost:
            verdict, why = Challenge.ROLL_BACK, lost[own.version_id]
    if verdict is Challenge.GO_ON:
        return False
    means = ", ".join(
        f"{name} {record.total / record.n:.2f} over {record.n}" if record.n else f"{name} none"
        for name, record in ((str(challenger), own), (str(leader), other))
    )
    reason = f"{why} ({means})"
    if verdict is Challenge.PROMOTE:
        promote(challenger, reason=reason, actor="race")
    else:
        roll_back(challenger, reason=reason, actor="race")
    return True


def _challengers_turn(task_id: str, cycle: int, slug: str, share: float) -> bool:
    digest = hashlib.sha256(f"race|{task_id}|{cycle}|{slug}".encode()).digest()
    return rules.challenger_turn(rng=Random(digest), share=share)  # noqa: S311 -- a lot, no secret


def _rng(one: VersionRecord, other: VersionRecord) -> Random:
    return Random(f"{one.version_id}|{one.n}|{other.n}")  # noqa: S311 -- a lot, no secret
