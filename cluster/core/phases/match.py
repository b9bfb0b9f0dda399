"""MATCH: who does it."""

from cluster.core import forging
from cluster.core.forging import Grants
from cluster.core.steps import (
    Admit,
    Finish,
    Forge,
    Forged,
    ForgeOutcome,
    HoldAuction,
    ModelAnswer,
)
from cluster.core.types import Forging, Json, Outcome, Sensed, Status, TaskView


def step(view: TaskView, sensed: Sensed) -> HoldAuction | Forge | Admit:
    """Return the auction to hold, or what to do about a field that was too weak for one.

    The node that failed in the cycle before is left out.
    """
    if view.forging is not None and view.forging.state == "wanted":
        return Forge(goal=view.task.goal, wanted=view.forging)
    if view.forging is not None and view.forging.state == "review":
        return Admit()
    rejected = view.rejection.node_id if view.rejection else None
    reads = ("search_knowledge",) if view.task.collections else ()
    return HoldAuction(
        weights=sensed.weights,
        complexity=sensed.complexity,
        tools=tuple(sorted({*sensed.tools, *view.task.tools, *reads})),
        agent=view.task.agent,
        without=(rejected,) if rejected else (),
    )


def system(wanted: Forging) -> str:
    """Return who the model is to be when it forges."""
    return forging.SKILL_SYSTEM if wanted.action == "skill" else forging.FORGE_SYSTEM


def schema(wanted: Forging) -> Json:
    """Return the JSON Schema of what is forged; only what may be granted is on offer."""
    if wanted.action == "skill":
        return forging.skill_schema()
    return forging.forge_schema(_grants(wanted), wanted.domains)


def question(step: Forge, problems: tuple[str, ...] = ()) -> str:
    """Return what the model is asked; `problems` are those of its first attempt."""
    wanted = step.wanted
    if wanted.action == "skill":
        why = f"{wanted.best} is the best there is for this: {wanted.reason}"
        return forging.skill_question(goal=step.goal, why=why, problems=problems)
    return forging.forge_question(
        goal=step.goal,
        why=wanted.reason,
        grants=_grants(wanted),
        required=wanted.tools,
        taken=wanted.taken,
        problems=problems,
    )


def problems_of(wanted: Forging, reply: ModelAnswer) -> tuple[str, ...]:
    """Return what keeps a reply from being used; nothing when it can be."""
    if wanted.action == "skill":
        return forging.skill_problems(reply.value)
    if reply.value is None:
        return ("no JSON",)
    found = forging.spec_problems(
        reply.value, grants=_grants(wanted), required=frozenset(wanted.tools)
    )
    if not found and not forging.slug_of(str(reply.value["name"])):
        return ("the name needs letters from a to z",)
    return found


def forged(step: Forge, outcome: ForgeOutcome) -> Forged:
    """Return what to keep of a reply, or why it cannot be used."""
    reply = outcome.reply
    if reply.value is None:
        why = f"the model gave nothing: {reply.why}"
        return Forged(action=step.wanted.action, value=None, why=why, model=reply.model)
    if outcome.problems:
        why = f"what the model forged cannot be used: {'; '.join(outcome.problems)}"
        return Forged(action=step.wanted.action, value=None, why=why, model=reply.model)
    return Forged(action=step.wanted.action, value=reply.value, model=reply.model)


def _grants(wanted: Forging) -> Grants:
    return Grants(allowed=wanted.allowed, denied=wanted.denied)


def nobody(reason: str) -> Finish:
    """Return the end of a task that nobody can take."""
    return Finish(
        status=Status.FAILED,
        outcome=Outcome.FAILED,
        error_code="cluster.no_capable_agent",
        error_message=f"No agent can take this task: {reason}",
    )
