"""Carrying out what leaves the process, the same way for every shell: ask, run, judge."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import assert_never

from cluster.core import judging
from cluster.core.phases import evaluate, match, scale, sense
from cluster.core.ports import AgentRunner, Belief, Judge, Mind, Surroundings
from cluster.core.steps import (
    Forge,
    ForgeOutcome,
    JudgeOutcome,
    ModelAnswer,
    OutsideOutcome,
    OutsideStep,
    PlanOutcome,
    PlanSplit,
    RunAgent,
    Sense,
    SenseOutcome,
)
from cluster.core.steps import Judge as JudgeStep
from cluster.core.types import TaskView


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What a shell plugs in."""

    runner: AgentRunner
    mind: Mind
    judge: Judge
    surroundings: Surroundings
    belief: Belief | None = None


async def perform(view: TaskView, step: OutsideStep, ports: Ports) -> OutsideOutcome:
    """Carry out an outside step and return its outcome; holds nothing while it waits."""
    match step:
        case Sense():
            return await _sense(view, step, ports)
        case PlanSplit():
            return await _plan(view, step, ports)
        case RunAgent():
            return await ports.runner.run(view, step)
        case JudgeStep():
            return await _judge(view, step, ports)
        case Forge():
            return await _forge(view, step, ports)
        case _:
            assert_never(step)


async def _sense(view: TaskView, step: Sense, ports: Ports) -> SenseOutcome:
    seen = await ports.surroundings.look(view, step.text)
    reply = await ports.mind.ask(
        view,
        purpose="sense",
        system=sense.SYSTEM,
        user=sense.question(step.text, seen.domains),
        schema=sense.schema(seen.domains, seen.tools),
    )
    return SenseOutcome(
        similarities=seen.similarities,
        reply=reply,
        tools=tuple(sorted(seen.tools)),
        trust=seen.trust,
        embedding=seen.embedding,
    )


async def _plan(view: TaskView, step: PlanSplit, ports: Ports) -> PlanOutcome:
    schema = scale.schema(step.max_parts)
    first = await ports.mind.ask(
        view,
        purpose="plan",
        system=scale.SYSTEM,
        user=scale.question(step.goal, step.max_parts),
        schema=schema,
    )
    problems = scale.plan_problems(first.value, view.limits, step.max_parts)
    if first.value is None or not problems:
        return PlanOutcome(reply=first)
    second = await ports.mind.ask(
        view,
        purpose="plan",
        system=scale.SYSTEM,
        user=scale.question(step.goal, step.max_parts, problems),
        schema=schema,
    )
    return PlanOutcome(reply=first, repaired=second)


async def _forge(view: TaskView, step: Forge, ports: Ports) -> ForgeOutcome:
    """Ask for a skill or a blueprint, and once more with what was wrong with the first."""

    async def ask(problems: tuple[str, ...]) -> ModelAnswer:
        return await ports.mind.ask(
            view,
            purpose="skill" if step.wanted.action == "skill" else "forge",
            system=match.system(step.wanted),
            user=match.question(step, problems),
            schema=match.schema(step.wanted),
        )

    reply = await ask(())
    problems = match.problems_of(step.wanted, reply)
    if reply.value is not None and problems:
        reply = await ask(problems)
        problems = match.problems_of(step.wanted, reply)
    return ForgeOutcome(reply=reply, problems=problems)


async def _judge(view: TaskView, step: JudgeStep, ports: Ports) -> JudgeOutcome:
    """Run the checks and ask the judge, again where its grade leaves doubt."""
    checks = await ports.judge.check(
        view, checks=view.task.checks, answer=step.answer, citations=step.citations
    )
    trust = 1.0 if ports.belief is None else await ports.belief.in_judge(view)
    authors = () if ports.belief is None else await ports.belief.authors(view)

    async def look(turn: int) -> ModelAnswer:
        return await ports.mind.ask(
            view,
            purpose="judge",
            system=evaluate.SYSTEM,
            user=evaluate.question(view, step.answer, turn=turn, authors=authors),
            schema=evaluate.SCHEMA,
        )

    first, *again = await looks(look, min_score=view.task.min_score, most=trust > 0)
    return JudgeOutcome(checks=checks, reply=first, again=tuple(again), trust=trust)


async def looks(
    look: Callable[[int], Awaitable[ModelAnswer]], *, min_score: float | None, most: bool = True
) -> list[ModelAnswer]:
    """Return what a judge says, asked again while its grades leave doubt; at least one reply.

    Args:
        look: Asks it once, in the order of that turn.
        min_score: What the answer has to reach, where something is asked for.
        most: False: one look is enough, since it will not count.
    """
    replies = [evaluate.readable(await look(0))]
    while most and replies[-1].value is not None:
        grades = [float(reply.value["score"]) for reply in replies if reply.value is not None]
        if not judging.another(grades, min_score=min_score):
            break
        replies.append(evaluate.readable(await look(len(replies))))
    return replies
