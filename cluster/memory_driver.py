"""The same loop without a database: for tests, examples, and tasks done in a script."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from cluster.core import amoeba, auction, explaining, factors, market, posterior, skill
from cluster.core.market import Book, Learned, Work
from cluster.core.perform import Ports, perform
from cluster.core.steps import (
    Admit,
    Ask,
    Delegate,
    Finish,
    Forged,
    HoldAuction,
    InsideStep,
    NextCycle,
    Park,
    Record,
    Settle,
    Spawn,
    TakeSlot,
    Written,
    is_outside,
)
from cluster.core.types import (
    Adapted,
    ChildView,
    Limits,
    Matched,
    Rejection,
    Status,
    TaskSpec,
    TaskView,
)


@dataclass(slots=True, kw_only=True)
class Node:
    """A member of the population."""

    node_id: str
    agent: str
    declared: frozenset[str] = frozenset()
    tools: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a task ended, with the phases that were recorded on the way, in order."""

    finish: Finish
    phases: tuple[object, ...]
    learned: tuple[Learned, ...] = ()


class WaitsForSomebody(RuntimeError):
    """The task asks a person or delegates: the in-memory driver has nobody to ask."""


class MemoryDriver:
    """Drives tasks over a population that lives in this object.

    Args:
        nodes: The population; each is a family of its own.
        domains: Kinds of work, by slug: a direction for each, of which unlike ones are unlike.
        ports: What the outside steps are carried out with.
        clock: Returns the time, aware.
    """

    def __init__(
        self,
        *,
        nodes: Sequence[Node],
        ports: Ports,
        clock: Callable[[], datetime],
        domains: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        self.nodes = {node.node_id: node for node in nodes}
        at = factors.space(domains or {"general": (1.0,)})
        self.book = Book(space=at)
        self.standings = {
            node.node_id: skill.Standing(
                node=skill.node_start(at, declared=sorted(node.declared)),
                family=skill.family_start(),
            )
            for node in nodes
        }
        self._ports = ports
        self._clock = clock
        self._limits = Limits()

    async def run(self, spec: TaskSpec) -> Ended:
        """Drive a task to its end, its parts side by side.

        Raises:
            WaitsForSomebody: A run asked a person, or delegated.
        """
        return await self._drive(spec, inputs=())

    async def _drive(self, spec: TaskSpec, *, inputs: tuple[ChildView, ...]) -> Ended:
        view = TaskView(
            task=spec,
            now=self._clock(),
            status=Status.RUNNING,
            cycle=1,
            inputs=inputs,
            limits=self._limits,
        )
        phases: list[object] = []
        learned: list[Learned] = []
        gone_since: datetime | None = None
        while True:
            now = self._clock()
            gone_s = (now - gone_since).total_seconds() if gone_since else 0.0
            view = replace(view, now=now, unavailable_s=gone_s)
            step = amoeba.next_step(view)
            inside = (
                amoeba.conclude(view, step, await perform(view, step, self._ports))
                if is_outside(step)
                else step
            )
            match inside:
                case Finish():
                    return Ended(finish=inside, phases=tuple(phases), learned=tuple(learned))
                case Park():
                    if inside.unavailable and gone_since is None:
                        gone_since = view.now
                    await self._pause(inside)
                case _:
                    gone_since = None
                    view = await self._applied(view, inside, phases, learned)

    async def _applied(
        self,
        view: TaskView,
        step: InsideStep,
        phases: list[object],
        learned: list[Learned],
    ) -> TaskView:
        """Carry out a step and return the view after it; what it concludes joins `phases`."""
        match step:
            case Record():
                phases.append(step.result)
                return self._written(view, step)
            case HoldAuction():
                phases.append(matched := self._auction(view, step))
                return self._written(view, step, matched)
            case Settle():
                phases.append(adapted := self._settle(view, step, learned))
                return self._written(view, step, adapted)
            case Spawn():
                return replace(view, spawned=True, children=await self._parts(view, step))
            case NextCycle():
                return _again(view)
            case Ask() | Delegate():
                raise WaitsForSomebody(step.suspended.question or step.suspended.kind)
            case Park() | Finish() | Forged() | Admit() | TakeSlot():
                # The loop keeps the first two; no field is forged and no slot given back here.
                raise AssertionError(step)
            case _:
                assert_never(step)

    def _written(
        self, view: TaskView, step: InsideStep, result: Matched | Adapted | None = None
    ) -> TaskView:
        written = Written(go_on=True, now=self._clock(), result=result)
        following = amoeba.advance(view, step, written)
        assert following is not None  # phases that are recorded here need no second look
        return following

    async def _pause(self, park: Park) -> None:
        if park.until is None:
            raise WaitsForSomebody(park.reason)
        await asyncio.sleep(max((park.until - self._clock()).total_seconds(), 0))

    def _auction(self, view: TaskView, step: HoldAuction) -> Matched:
        only = (
            frozenset(n.node_id for n in self.nodes.values() if n.agent == step.agent)
            if step.agent is not None
            else None
        )
        population = skill.Field(
            self.book.space, node_count=len(self.nodes), family_of=range(len(self.nodes))
        )
        rows = [self.standings[node_id] for node_id in self.nodes]
        population.put_nodes(0, [row.node for row in rows])
        population.put_families(0, [row.family for row in rows])
        result = market.choose(
            self.book,
            population,
            {
                place: auction.Candidate(
                    node_id=node.node_id, family_id=node.agent, tools=node.tools
                )
                for place, node in enumerate(self.nodes.values())
            },
            work=Work(weights=step.weights, x=step.complexity),
            requirement=auction.Requirement(
                x=step.complexity,
                tools=frozenset(step.tools) if only is None else frozenset(),
                excluded=frozenset(step.without) if len(self.nodes) > 1 else frozenset(),
                only=only,
            ),
            seed=auction.Seed(task_id=view.task.id, cycle=view.cycle),
            now=view.now,
            terms=auction.BidTerms(),
        )
        won = result.winner
        return Matched(
            node_id=won.node_id if won else None,
            agent_id=won.node_id if won else None,
            agent=self.nodes[won.node_id].agent if won else None,
            auction_id=None,
            reason=explaining.explain(result),
            pinned=only is not None,
            success_probability=posterior.success_probability(won.m, won.v) if won else None,
            bid_count=len(result.bids),
            mean=won.m if won else None,
            variance=won.v if won else None,
        )

    async def _parts(self, view: TaskView, step: Spawn) -> tuple[ChildView, ...]:
        """Work on the parts, each as soon as those it builds on have ended."""
        done: dict[str, asyncio.Task[ChildView]] = {}
        kept = {child.id: child for child in view.earlier_children}

        async def one(index: int) -> ChildView:
            part = step.parts[index]
            if part.reuse_task_id:
                return kept[part.reuse_task_id]
            before = [await done[key] for key in part.depends_on]
            broken = [child for child in before if child.status != Status.SUCCEEDED]
            child_id = f"{view.task.id}/{view.cycle}/{part.key}"
            if broken:
                return ChildView(
                    id=child_id,
                    key=part.key,
                    goal=part.goal,
                    status=Status.FAILED,
                    error_message=f"It builds on part {broken[0].key!r}, which failed.",
                )
            spec = replace(
                view.task,
                id=child_id,
                goal=part.goal,
                context="\n\n".join(t for t in (view.task.context, step.shared) if t),
                checks=(),
                min_score=None,
                parent_id=view.task.id,
                depth=view.task.depth + 1,
            )
            ended = await self._drive(spec, inputs=tuple(before))
            return ChildView(
                id=child_id,
                key=part.key,
                goal=part.goal,
                status=ended.finish.status,
                outcome=ended.finish.outcome,
                answer=ended.finish.answer,
                score=ended.finish.score,
                citations=ended.finish.citations,
                error_message=ended.finish.error_message,
            )

        for index, part in enumerate(step.parts):
            done[part.key] = asyncio.create_task(one(index))
        return tuple(await asyncio.gather(*done.values()))

    def _settle(self, view: TaskView, step: Settle, learned: list[Learned]) -> Adapted:
        score = step.verdict.score
        if step.node_id is None or step.hard_error or score is None or view.sensed is None:
            return Adapted(settled=0, reason=step.reason)
        sensed = view.sensed
        found = market.learn(
            self.book,
            self.standings[step.node_id],
            Work(
                weights=sensed.weights,
                x=sensed.complexity,
                similarities=sensed.similarities,
                label=sensed.domain,
            ),
            score,
        )
        self.book = found.book
        self.standings[step.node_id] = skill.Standing(
            node=found.settled.node, family=found.settled.family
        )
        learned.append(found)
        return Adapted(settled=1, reason="capability updated")


def _again(view: TaskView) -> TaskView:
    """Return the view of the next cycle, which knows what was wrong with this one."""
    assert view.verdict
    return replace(
        view,
        cycle=view.cycle + 1,
        rejection=Rejection(
            cycle=view.cycle,
            node_id=view.matched.node_id if view.matched else None,
            outcome=view.verdict.outcome,
            comment=view.verdict.comment,
            answer=view.executed.answer if view.executed else "",
        ),
        sensed=None,
        matched=None,
        scaled=None,
        executed=None,
        verdict=None,
        adapted=None,
        earlier_children=view.children,
        children=(),
        spawned=False,
    )
