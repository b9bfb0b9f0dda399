"""What grows out of the work: lines that evolve, successes that become skills, what is pruned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q

from agents.models import Run, Skill
from agents.services.skills import skill_import
from cluster.core import blueprints as rules
from cluster.core import forging as drafts
from cluster.core.errors import BlueprintInvalid, PopulationConflict
from cluster.core.forging import Failure
from cluster.core.policy import growth_policy
from cluster.core.types import Json
from cluster.models import AgentNode, Blueprint, MarketEntry, Reward
from cluster.selectors.lift import skills_lift
from cluster.selectors.spine import database_now
from cluster.services.blueprints import blueprint_locked, retire, version_add
from cluster.services.races import record_of
from loomsite.access.models import Workspace

State = Blueprint.State
TEND_EACH = timedelta(minutes=10)
POOR, GOOD = 0.6, 0.8
EXAMPLES = 8
TEXT_SHOWN = 1_500
SUCCESSES_LOOKED_AT = 60
SUCCESSES_MIN = 3
LOOK_BACK = timedelta(days=30)
DRAFT_KEPT = timedelta(days=30)
HELD_OUT_MIN = 5
USED_MIN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Evolving:
    """A line that should have a new version, why, and what it failed at."""

    workspace_id: str
    blueprint_id: str
    spec: Mapping[str, Any]
    why: str
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Success:
    """A piece of work that went well."""

    run_id: str
    task_id: str
    agent: str
    goal: str
    answer: str
    score: float
    comment: str
    domain: str


def lines_due(*, now: datetime, most: int) -> list[Evolving]:
    """Return lines whose leader is too weak, or has been the same for long, each claimed once.

    A line with a challenger or a draft waits for that; one is looked at again after a while.
    """
    found: list[Evolving] = []
    leaders = (
        Blueprint.objects.filter(state=State.ACTIVE)
        .filter(Q(tended_at=None) | Q(tended_at__lt=now - TEND_EACH))
        .order_by(F("tended_at").asc(nulls_first=True), "id")
    )
    for row in leaders[: most * 20]:
        claimed = Blueprint.objects.filter(pk=row.pk, tended_at=row.tended_at)
        if not claimed.update(tended_at=now):
            continue  # somebody else looks at it
        evolving = _evolving(row)
        if evolving:
            found.append(evolving)
        if len(found) >= most:
            break
    return found


def evolved_keep(*, due: Evolving, value: Json, by: str) -> str | None:
    """Keep a mutation as the next version of its line; None when it cannot be used."""
    changes = {
        "instructions": str(value["instructions"]).strip(),
        "description": str(value["description"]).strip(),
    }
    with transaction.atomic():
        row = blueprint_locked(due.workspace_id, due.blueprint_id)
        try:
            child = version_add(
                of=row,
                spec={**row.spec, **changes},
                origin=Blueprint.Origin.EVOLVED,
                reason=f"{due.why}; {value['why']}"[:2_000],
                actor=f"evolve:{by}"[:200],
                reviewed=False,
            )
        except (BlueprintInvalid, PopulationConflict):
            return None
    return str(child.pk)


def successes_of(*, workspace_id: str) -> list[Success]:
    """Return the latest work that went well and that no skill has been made of, the best first."""
    lines = (
        MarketEntry.objects.filter(
            node__workspace_id=workspace_id,
            kind="score",
            score__gte=GOOD,
            at__gte=database_now() - LOOK_BACK,
        )
        .select_related("task", "node__agent")
        .order_by("-id")[:SUCCESSES_LOOKED_AT]
    )
    used = _evidence_runs(workspace_id)
    runs = {
        (str(run.task_id), str(run.agent_id)): run  # pyright: ignore[reportAttributeAccessIssue] -- Django's
        for run in Run.objects.filter(
            workspace_id=workspace_id, task_id__in=[line.task_id for line in lines]
        ).order_by("started_at")
    }
    comments = dict(
        Reward.objects.filter(task_id__in=[line.task_id for line in lines]).values_list(
            "task_id", "comment"
        )
    )
    found: list[Success] = []
    for line in lines:
        run = runs.get((str(line.task_id), str(line.node.agent_id)))
        if run is None or str(run.pk) in used or line.score is None or line.task is None:
            continue
        used.add(str(run.pk))
        found.append(
            Success(
                run_id=str(run.pk),
                task_id=str(line.task_id),
                agent=line.node.agent.slug,
                goal=line.task.goal[:TEXT_SHOWN],
                answer=run.answer[:TEXT_SHOWN],
                score=line.score,
                comment=comments.get(line.task_id, "")[:TEXT_SHOWN],
                domain=_main(line.weights),
            )
        )
    return sorted(found, key=lambda success: (-success.score, success.run_id))


def skill_keep(*, workspace_id: str, value: Json, successes: Sequence[Success], model: str) -> str:
    """Keep a skill made of what worked, with its evidence; a draft unless policy trusts it."""
    taken = set(Skill.objects.filter(workspace_id=workspace_id).values_list("name", flat=True))
    name = drafts.slug_free(drafts.slug_of(str(value["name"])), taken)
    mean = sum(success.score for success in successes) / len(successes)
    settings = Workspace.objects.values_list("settings", flat=True).get(id=workspace_id)
    enough = growth_policy(settings).skill_auto_score
    auto = 0 < enough <= mean
    skill_import(
        workspace_id=workspace_id,
        markdown=drafts.skill_markdown(value, name=name),
        state=Skill.State.ACTIVE if auto else Skill.State.DRAFT,
        origin=Skill.Origin.CRYSTALLIZED,
        evidence={
            "runs": [
                {
                    "run_id": success.run_id,
                    "task_id": success.task_id,
                    "agent": success.agent,
                    "goal": success.goal[:200],
                    "score": success.score,
                }
                for success in successes
            ],
            "mean_score": mean,
            "domain": successes[0].domain,
            "written_by": model,
        },
    )
    return name


def skills_retire(*, workspace_id: str) -> list[str]:
    """Retire crystallized skills in use that do not help; return their names.

    A skill does not help when runs that went without it do as well or better, as far as chance
    allows to say, or when runs with it are judged poor on the whole.
    """
    settings = Workspace.objects.values_list("settings", flat=True).get(id=workspace_id)
    floor = growth_policy(settings).quality_floor
    retired: list[str] = []
    for row in skills_lift(workspace_id=workspace_id):
        crystallized = row["origin"] == Skill.Origin.CRYSTALLIZED
        if not crystallized or row["state"] != Skill.State.ACTIVE:
            continue
        why = _useless(row, floor)
        if why:
            with transaction.atomic():
                skill = Skill.objects.select_for_update().get(
                    workspace_id=workspace_id, name=row["skill"]
                )
                skill.state = Skill.State.RETIRED
                skill.evidence = {
                    **skill.evidence,
                    "retired_because": why,
                    "lift": row["lift"],
                    "with": row["with"],
                    "without": row["without"],
                }
                skill.save(update_fields=["state", "evidence", "updated_at"])
            retired.append(row["skill"])
    return retired


def prune(*, now: datetime) -> int:
    """Turn down drafts nobody looked at, and retire lines beyond the cap; return how many."""
    count = 0
    old = Blueprint.objects.filter(state=State.DRAFT, created_at__lt=now - DRAFT_KEPT)
    for blueprint_id in list(old.values_list("id", flat=True)[:100]):
        count += _pruned(blueprint_id, State.DRAFT, "nobody looked at the draft for 30 days")
    for workspace in Workspace.objects.filter(blueprints__isnull=False).distinct():
        policy = growth_policy(workspace.settings)
        leaders = list(Blueprint.objects.filter(workspace=workspace, state=State.ACTIVE))
        surplus = len(leaders) - policy.max_blueprints
        if surplus > 0:
            records = {row.pk: record_of(row) for row in leaders}
            weak = sorted(
                (row for row in leaders if row.origin != Blueprint.Origin.SEEDED),
                key=lambda row: (rules.upper_bound(records[row.pk]), str(row.pk)),
            )
            reason = f"{len(leaders)} lines, {policy.max_blueprints} may be: it was the weakest"
            for row in weak[:surplus]:
                count += _pruned(row.pk, State.ACTIVE, reason)
        count += _old_versions(workspace.pk, policy.max_versions)
    return count


def _evolving(row: Blueprint) -> Evolving | None:
    line = Blueprint.objects.filter(workspace_id=row.workspace_id, slug=row.slug)
    if line.filter(state__in=[State.CHALLENGER, State.DRAFT]).exists():
        return None
    settings = Workspace.objects.values_list("settings", flat=True).get(id=row.workspace_id)
    latest = line.order_by("-version").first()
    assert latest is not None  # the row itself
    since = record_of(row, since=latest).n
    why = rules.evolve_reason(
        record_of(row), floor=growth_policy(settings).quality_floor, since_last=since
    )
    failures = _failures(row) if why else ()
    if not why or not failures:
        return None  # nothing to learn from
    return Evolving(
        workspace_id=str(row.workspace_id),
        blueprint_id=str(row.pk),
        spec=row.spec,
        why=why,
        failures=failures,
    )


def _failures(row: Blueprint) -> tuple[Failure, ...]:
    rewards = (
        Reward.objects.filter(node__blueprint=row, verified=True, score__lt=POOR)
        .exclude(comment="")
        .select_related("task")
        .order_by("-id")[:EXAMPLES]
    )
    return tuple(
        Failure(
            goal=reward.task.goal[:TEXT_SHOWN],
            answer=(reward.task.answer or "")[:TEXT_SHOWN],
            score=reward.score or 0.0,
            comment=reward.comment[:TEXT_SHOWN],
        )
        for reward in rewards
    )


def _main(weights: Mapping[str, float]) -> str:
    return max(weights, key=lambda domain: (weights[domain], domain)) if weights else ""


def _evidence_runs(workspace_id: str) -> set[str]:
    rows = Skill.objects.filter(workspace_id=workspace_id).exclude(evidence={})
    return {
        str(run.get("run_id"))
        for evidence in rows.values_list("evidence", flat=True)
        for run in evidence.get("runs", [])
    }


def _useless(row: Json, floor: float) -> str:
    n, mean = row["with"]["n"], row["with"]["mean"]
    out_n = row["without"]["n"]
    if min(n, out_n) >= HELD_OUT_MIN and row["lift"] + row["se"] < 0:
        return (
            f"{n} runs with it scored {mean:.2f}, {out_n} that went without "
            f"{row['without']['mean']:.2f}"
        )
    if n >= USED_MIN and mean + 1.64 * 0.33 / n**0.5 < floor:
        return f"{n} runs with it scored {mean:.2f}, below the floor {floor:.2f}"
    return ""


def _pruned(blueprint_id: object, state: str, reason: str) -> bool:
    with transaction.atomic():
        rows = Blueprint.objects.select_for_update(skip_locked=True, of=("self",))
        row = rows.filter(pk=blueprint_id, state=state).first()
        if row is None or AgentNode.objects.filter(blueprint=row, busy__gt=0).exists():
            return False
        retire(row, kind="pruned", reason=reason, actor="beat")
    return True


def _old_versions(workspace_id: object, most: int) -> int:
    """Delete the oldest retired versions of long lines that no node and no version comes from."""
    count = 0
    slugs = Blueprint.objects.filter(workspace_id=workspace_id, version__gt=most)
    for slug in sorted(set(slugs.values_list("slug", flat=True))):
        line = Blueprint.objects.filter(workspace_id=workspace_id, slug=slug)
        surplus = line.count() - most
        gone = line.filter(state=State.RETIRED, nodes=None, offspring=None).order_by("version")
        for row in list(gone[: max(surplus, 0)]):
            row.delete()
            count += 1
    return count
