"""Carrying out what leaves the process, the same way for every shell: ask, run, judge."""

from dataclasses import dataclass
from typing import assert_never

from cluster.core.phases import evaluate, scale, sense
from cluster.core.ports import AgentRunner, Judge, Mind, Surroundings
from cluster.core.steps import Judge as JudgeStep
from cluster.core.steps import (
    JudgeOutcome,
    OutsideOutcome,
    OutsideStep,
    PlanOutcome,
    PlanSplit,
    RunAgent,
    Sense,
    SenseOutcome,
)
from cluster.core.types import TaskView


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """What a shell plugs in."""

    runner: AgentRunner
    mind: Mind
    judge: Judge
    surroundings: Surroundings


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
        case _:
            assert_never(step)


async def _sense(view: TaskView, step: Sense, ports: Ports) -> SenseOutcome:
    similarities, domains, tools = await ports.surroundings.look(view, step.text)
    reply = await ports.mind.ask(
        view,
        purpose="sense",
        system=sense.SYSTEM,
        user=sense.question(step.text, domains),
        schema=sense.schema(domains, tools),
    )
    return SenseOutcome(similarities=similarities, reply=reply, tools=tuple(sorted(tools)))


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


async def _judge(view: TaskView, step: JudgeStep, ports: Ports) -> JudgeOutcome:
    checks = await ports.judge.check(
        view, checks=view.task.checks, answer=step.answer, citations=step.citations
    )
    reply = await ports.mind.ask(
        view,
        purpose="judge",
        system=evaluate.SYSTEM,
        user=evaluate.question(view, step.answer),
        schema=evaluate.SCHEMA,
    )
    return JudgeOutcome(checks=checks, reply=reply)
