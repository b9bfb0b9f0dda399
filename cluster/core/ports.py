"""What the cycle needs of the world; the database shell and the memory driver both provide it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from cluster.core.checks import CheckResult
from cluster.core.forging import Failure
from cluster.core.sensing import Trust
from cluster.core.steps import ModelAnswer, RunAgent, RunOutcome
from cluster.core.types import CitedSpan, Json, TaskView

Purpose = Literal["sense", "plan", "judge", "forge", "evolve", "skill"]


class AgentRunner(Protocol):
    """Run one agent, journaled, to its end or to where it waits."""

    async def run(self, view: TaskView, step: RunAgent) -> RunOutcome: ...


class Mind(Protocol):
    """A model that answers within a schema; the reason when it does not."""

    async def ask(
        self, view: TaskView, *, purpose: Purpose, system: str, user: str, schema: Json
    ) -> ModelAnswer: ...


class Judge(Protocol):
    """Run declared checks over an answer."""

    async def check(
        self,
        view: TaskView,
        *,
        checks: tuple[Mapping[str, Any], ...],
        answer: str,
        citations: tuple[CitedSpan, ...],
    ) -> tuple[CheckResult, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What SENSE compares a goal with.

    Attributes:
        similarities: Cosine to each domain by slug.
        domains: The domains' descriptions by slug.
        tools: The tools' descriptions by name.
        trust: How far label and embedding have been right so far.
        embedding: Of the goal; empty when there was nothing to embed it with.
    """

    similarities: dict[str, float]
    domains: dict[str, str]
    tools: dict[str, str]
    trust: Trust = field(default_factory=Trust)
    embedding: tuple[float, ...] = ()


class Surroundings(Protocol):
    """What is around a goal."""

    async def look(self, view: TaskView, text: str) -> Look: ...


class Belief(Protocol):
    """What judging needs to know: how far the judge is believed, and whom it must not recognise."""

    async def in_judge(self, view: TaskView) -> float: ...

    async def authors(self, view: TaskView) -> Sequence[str]: ...


class WorkspaceMind(Protocol):
    """A model that answers within a schema for a workspace at large: no task waits for it."""

    async def ask(
        self, workspace_id: str, *, purpose: Purpose, system: str, user: str, schema: Json
    ) -> ModelAnswer: ...


class Weakness(Protocol):
    """A line of blueprints that should have a better version, and what it failed at."""

    @property
    def workspace_id(self) -> str: ...

    @property
    def blueprint_id(self) -> str: ...

    @property
    def spec(self) -> Mapping[str, Any]: ...

    @property
    def why(self) -> str: ...

    @property
    def failures(self) -> Sequence[Failure]: ...


class Evolver(Protocol):
    """Proposes a better version from failures: a model that reflects, or a library such as GEPA.

    The reply's value has `instructions`, `description` and `why`; whatever it is, it is checked,
    reviewed where that is the policy, and has to win a race.
    """

    async def propose(self, due: Weakness) -> ModelAnswer: ...
