"""MATCH with a field that is empty or too weak: spawn, draft a skill, or forge a blueprint."""

import math
from datetime import datetime
from functools import partial

from agents.models import Agent, Approval, Skill
from agents.services.approvals import approval_open
from agents.services.skills import skill_import
from cluster.core import blueprints as rules
from cluster.core import forging as drafts
from cluster.core.auction import AuctionResult, Bid
from cluster.core.blueprints import BlueprintView, Forge
from cluster.core.errors import BlueprintInvalid, PopulationConflict
from cluster.core.policy import GrowthPolicy, growth_policy
from cluster.core.posterior import sigmoid
from cluster.core.steps import Forged, HoldAuction
from cluster.core.types import Json
from cluster.models import Blueprint, Domain, Forging, Task
from cluster.selectors.grants import tools_grantable
from cluster.services.births import blueprint_spawn
from cluster.services.blueprints import approve, blueprint_write, nodes_room, retire
from cluster.services.journal import event_append
from cluster.services.races import record_of

State = Forging.State
Action = Forging.Action
OPTIONS = ("approve", "refuse")
TAKEN_SHOWN = 50


def field_weak(
    *, task: Task, step: HoldAuction, result: AuctionResult, policy: GrowthPolicy, now: datetime
) -> str:
    """See to a field that is empty or too weak, once a cycle.

    Returns:
        `spawned`: there is a new node, hold the auction again. `wanted`: a model has to be asked.
        Empty: the field will do, or nothing can be done about it.
    """
    best = max(result.bids, key=lambda bid: (_upper(bid), bid.node_id), default=None)
    decide = partial(
        rules.forge_decision,
        best_upper=_upper(best) if best else None,
        floor=policy.quality_floor,
        barred=result.excluded,
    )
    # Most fields will do, whatever blueprints and however much room there is.
    if decide((), room=1).action is Forge.NOTHING:
        return ""
    if Forging.objects.filter(task=task, cycle=task.cycle).exists():
        return ""
    if result.excluded.get("budget") and not result.bids:
        return ""  # an empty purse is no reason to grow
    domain = max(step.weights, key=lambda d: (step.weights[d], d)) if step.weights else None
    views = _unspawned(task, frozenset(step.tools), domain, alone=not result.bids)
    decision = decide(views, room=nodes_room(str(task.workspace_id), policy))
    reason = f"{decision.reason} ({_said(result)})"
    if decision.action is Forge.NOTHING:
        return ""
    if decision.action is Forge.SPAWN:
        blueprint = Blueprint.objects.get(pk=decision.blueprint_id)
        node = blueprint_spawn(blueprint=blueprint, reason=f"task {task.id}: {reason}")
        return "spawned" if node else ""
    return _want(task, step, best=best, domain=domain, reason=reason, now=now)


def forging_said(*, task: Task) -> str:
    """Return why nobody new could be had for a task's cycle; empty when nobody tried."""
    row = Forging.objects.filter(task=task, cycle=task.cycle).first()
    return row.comment if row and row.state in (State.FAILED, State.REFUSED) else ""


def forged_keep(*, task: Task, step: Forged, now: datetime) -> None:
    """Keep what a model forged for a locked task's cycle; what cannot be kept says why."""
    row = Forging.objects.select_for_update(of=("self",)).get(task=task, cycle=task.cycle)
    if row.state != State.WANTED:
        return
    if step.value is None:
        row.state, row.comment = State.FAILED, step.why
    elif row.action == Action.SKILL:
        _skill(task, row, step.value, step.model)
    else:
        _blueprint(task, row, step.value)
    row.save(update_fields=["state", "comment", "blueprint", "skill_name"])
    event_append(
        task, "forge.ended", now,
        action=row.action, state=row.state, comment=row.comment, skill=row.skill_name or None,
        blueprint=str(row.blueprint_id) if row.blueprint_id else None,
    )  # fmt: skip


def review_open(*, task: Task) -> tuple[str, str, Json] | None:
    """Ask whether a forged blueprint may work; None when that is settled by now.

    Returns the request's id, the question and the spec it is about.
    """
    row = Forging.objects.select_for_update(of=("self",)).get(task=task, cycle=task.cycle)
    blueprint = Blueprint.objects.select_for_update().filter(pk=row.blueprint_id).first()
    if row.state != State.REVIEW:
        return None
    if blueprint is None or blueprint.state != Blueprint.State.DRAFT:
        _settled(row, blueprint)
        return None
    question = (
        f"Nobody here can take this task, so a specialist was drafted: {blueprint.slug!r} with the "
        f"tools {', '.join(blueprint.spec.get('tools', [])) or '(none)'}. May it work?"
    )
    key = f"blueprint:{blueprint.pk}"
    asked = approval_open(
        workspace_id=str(task.workspace_id),
        task_id=str(task.id),
        run_id=None,
        key=key,
        kind=Approval.Kind.APPROVAL,
        question=question,
        options=OPTIONS,
        detail={"blueprint_id": str(blueprint.pk), "spec": blueprint.spec},
    )
    if not asked.answered:
        return asked.id, question, blueprint.spec
    answer = Approval.objects.get(pk=asked.id)
    _decide(row, blueprint, answer)
    return None


def _decide(row: Forging, blueprint: Blueprint, answer: Approval) -> None:
    said = answer.text or f"answered {answer.decision!r}"
    if answer.decision != OPTIONS[0]:
        retire(blueprint, kind="refused", reason=said, actor=answer.answered_by)
        row.state, row.comment = State.REFUSED, f"refused by {answer.answered_by}: {said}"
    else:
        try:
            approve(blueprint, reason=said, actor=answer.answered_by, parent=row.best)
        except (BlueprintInvalid, PopulationConflict) as error:
            row.state, row.comment = State.FAILED, str(error)
        else:
            row.state, row.comment = State.DONE, f"approved by {answer.answered_by}"
    row.save(update_fields=["state", "comment"])


def _settled(row: Forging, blueprint: Blueprint | None) -> None:
    """Note what somebody decided elsewhere while the task waited."""
    works = blueprint is not None and blueprint.state != Blueprint.State.RETIRED
    row.state = State.DONE if works else State.REFUSED
    row.comment = "approved" if works else "refused"
    row.save(update_fields=["state", "comment"])


def _want(
    task: Task,
    step: HoldAuction,
    *,
    best: Bid | None,
    domain: str | None,
    reason: str,
    now: datetime,
) -> str:
    """Write down that a model is to be asked, and for what."""
    grants = tools_grantable(workspace_id=str(task.workspace_id))
    action = Action.FORGE
    if best is not None and not _skill_tried(task, best.node_id, domain):
        action = Action.SKILL
    missing = sorted(set(step.tools) - set(grants.allowed))
    row = Forging(
        task=task,
        cycle=task.cycle,
        action=action,
        reason=reason,
        best_id=best.node_id if best else None,
        need={
            "tools": sorted(step.tools),
            "domain": domain,
            "allowed": dict(grants.allowed),
            "denied": dict(grants.denied),
            "domains": sorted(
                Domain.objects.filter(workspace_id=task.workspace_id).values_list("slug", flat=True)
            ),
            "taken": sorted(_slugs(task))[:TAKEN_SHOWN],
        },
    )
    if action == Action.FORGE and missing:
        row.state = State.FAILED
        why = grants.denied.get(missing[0], "which is not here")
        row.comment = f"no blueprint may have the tool {missing[0]!r}, {why}"
    row.save(force_insert=True)
    event_append(task, "forge.wanted", now, action=row.action, reason=reason, state=row.state)
    return "wanted" if row.state == State.WANTED else ""


def _skill(task: Task, row: Forging, value: Json, model: str) -> None:
    taken = set(Skill.objects.filter(workspace_id=task.workspace_id).values_list("name", flat=True))
    name = drafts.slug_free(drafts.slug_of(str(value["name"])), taken)
    auto = growth_policy(task.workspace.settings).blueprint_approval == "auto"
    skill_import(
        workspace_id=str(task.workspace_id),
        markdown=drafts.skill_markdown(value, name=name),
        state=Skill.State.ACTIVE if auto else Skill.State.DRAFT,
        origin=Skill.Origin.CRYSTALLIZED,
        evidence={
            "runs": [],
            "written_by": model,
            "domain": row.need.get("domain"),
            "for_node": str(row.best_id),
            "task_id": str(task.id),
            "reason": row.reason,
        },
    )
    row.skill_name = name
    row.state = State.DONE
    row.comment = "at work" if auto else "a draft that waits for review"


def _blueprint(task: Task, row: Forging, value: Json) -> None:
    slug = drafts.slug_free(drafts.slug_of(str(value["name"])), _slugs(task))
    try:
        blueprint = blueprint_write(
            workspace_id=str(task.workspace_id),
            slug=slug,
            spec=value,
            origin=Blueprint.Origin.FORGED,
            reason=f"task {task.id}: {row.reason}",
            actor="forge",
            parent=row.best,
        )
    except (BlueprintInvalid, PopulationConflict) as error:
        row.state, row.comment = State.FAILED, str(error)
        return
    row.blueprint = blueprint
    if blueprint.state != Blueprint.State.DRAFT:
        row.state, row.comment = State.DONE, "at work"
    elif row.best_id is None:
        row.state, row.comment = State.REVIEW, "waits for review, and the task with it"
    else:
        row.state, row.comment = (
            State.DONE,
            "a draft that waits for review; the best bidder goes on",
        )


def _unspawned(
    task: Task, tools: frozenset[str], domain: str | None, *, alone: bool
) -> list[BlueprintView]:
    """Return the leading blueprints that could do it and have no node, the likeliest first.

    When nobody at all can do the work, one that is made for anything will do as well.
    """
    rows = Blueprint.objects.filter(
        workspace_id=task.workspace_id, state=Blueprint.State.ACTIVE, nodes__isnull=True
    ).order_by("slug")
    views = [
        BlueprintView(
            blueprint_id=str(row.pk),
            tools=frozenset(row.spec.get("tools", [])),
            similarity=1.0 if alone else 0.0,
            domains=frozenset(row.spec.get("domains", [])),
        )
        for row in rows
    ]
    fitting = rules.match(views, tools=tools, domain=domain)
    by_id = {str(row.pk): row for row in rows}
    own = [view for view in fitting if domain in view.domains]
    drawn = rules.choose(
        [record_of(by_id[view.blueprint_id]) for view in own],
        rng=rules.lot(f"{task.id}|{task.cycle}"),
    )
    if drawn is None:
        return fitting
    return sorted(fitting, key=lambda view: view.blueprint_id != drawn.version_id)


def _skill_tried(task: Task, node_id: str, domain: str | None) -> bool:
    return Forging.objects.filter(
        task__workspace_id=task.workspace_id,
        action=Action.SKILL,
        best_id=node_id,
        need__domain=domain,
    ).exists()


def _slugs(task: Task) -> set[str]:
    lines = Blueprint.objects.filter(workspace_id=task.workspace_id).values_list("slug", flat=True)
    return {*lines, *_agents(task)}


def _agents(task: Task) -> list[str]:
    return list(Agent.objects.filter(workspace_id=task.workspace_id).values_list("slug", flat=True))


def _upper(bid: Bid) -> float:
    """Return what a bidder's expected score may be at best."""
    return sigmoid(bid.m + rules.UPPER * math.sqrt(bid.v))


def _said(result: AuctionResult) -> str:
    barred = ", ".join(f"{n} {why}" for why, n in sorted(result.excluded.items()))
    return f"{len(result.bids)} bids; left out: {barred or 'none'}"
