"""What the loop asks for next, and what comes back.

Outside steps (`Sense PlanSplit RunAgent Judge`) take seconds to hours and hold no transaction;
their outcomes are turned into inside steps, each of which is one short transaction.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from typing_extensions import TypeIs

from cluster.core.checks import CheckResult
from cluster.core.sensing import Trust
from cluster.core.types import (
    Adapted,
    CitedSpan,
    Cost,
    Executed,
    Forging,
    Json,
    Matched,
    Outcome,
    Part,
    Scaled,
    Sensed,
    Status,
    Verdict,
)

# ---------------------------------------------------------------- outside


@dataclass(frozen=True, slots=True, kw_only=True)
class Sense:
    """Embed `text`, and ask a model to judge it."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSplit:
    """Ask a model for a plan, and once more where the first one cannot be used."""

    goal: str
    max_parts: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAgent:
    """Let an agent work; a run that was begun before goes on."""

    node_id: str
    agent_id: str
    agent: str
    goal: str
    context: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Look at an answer: declared checks, and a model where one can judge."""

    answer: str
    citations: tuple[CitedSpan, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Forge:
    """Ask a model for a skill or a blueprint, and once more where the first cannot be used."""

    goal: str
    wanted: Forging


OutsideStep = Sense | PlanSplit | RunAgent | Judge | Forge


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAnswer:
    """A schema-constrained reply, or in `why` the reason that there is none."""

    value: Json | None
    why: str = ""
    model: str = ""
    cost: Cost = field(default_factory=Cost)


@dataclass(frozen=True, slots=True, kw_only=True)
class SenseOutcome:
    """What was found out about a goal.

    Attributes:
        similarities: Cosine of the goal to each domain's centroid, by slug.
        trust: How far label and embedding have been right so far.
        embedding: Of the goal; empty when there was nothing to embed it with.
    """

    similarities: Mapping[str, float]
    reply: ModelAnswer
    tools: tuple[str, ...] = ()
    trust: Trust = field(default_factory=Trust)
    embedding: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOutcome:
    """The planner's first reply, and the second where the first was no plan."""

    reply: ModelAnswer
    repaired: ModelAnswer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """A run that ended (`executed`), that waits for somebody, or that nobody would serve."""

    executed: Executed | None = None
    suspended: "Suspended | None" = None
    unavailable: "Unavailable | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended:
    """A run waits: for a person's decision or words, or for a task it delegated."""

    kind: Literal["approval", "question", "unknown_effect", "children"]
    key: str
    run_id: str
    question: str = ""
    options: tuple[str, ...] = ()
    detail: Json = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Unavailable:
    """Nobody answered; worth another try after `retry_after_s`."""

    reason: str
    retry_after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeOutcome:
    """What everybody said of an answer.

    Attributes:
        again: Further looks of the judge, where its first grade left doubt.
        trust: How far the judge is believed, in [0, 1]; its weight is multiplied by it.
    """

    checks: tuple[CheckResult, ...]
    reply: ModelAnswer | None = None
    again: tuple[ModelAnswer, ...] = ()
    trust: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgeOutcome:
    """The model's last reply, and what is wrong with it, if anything is."""

    reply: ModelAnswer
    problems: tuple[str, ...] = ()


OutsideOutcome = SenseOutcome | PlanOutcome | RunOutcome | JudgeOutcome | ForgeOutcome

# ---------------------------------------------------------------- inside


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldAuction:
    """Hold the auction of this cycle among capable nodes, and reserve the winner's slot."""

    weights: Mapping[str, float]
    complexity: float
    tools: tuple[str, ...] = ()
    agent: str | None = None
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeSlot:
    """Take a slot of `agent` again for a run that goes on: its own was given back as it waited."""

    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Write down what a phase concluded; the phase after it begins.

    Attributes:
        embedding: Of the goal, with what SENSE concluded: the domains learn from it.
    """

    result: Sensed | Scaled | Executed | Verdict
    embedding: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Forged:
    """Keep what a model forged for a weak field, or why it could not."""

    action: str
    value: Json | None
    why: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admit:
    """See what a person said of a forged blueprint that nobody else can stand in for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spawn:
    """Create the child tasks of a split."""

    parts: tuple[Part, ...]
    shared: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """Let the market learn from the verdict, once, and give the slot back."""

    verdict: Verdict
    node_id: str | None
    hard_error: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Park:
    """Let go of the task until somebody wakes it, or until `until`."""

    status: Status
    reason: str
    until: datetime | None = None
    unavailable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Put a question to a person and wait."""

    suspended: Suspended


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegate:
    """Create the task that a run delegated, and wait for it."""

    suspended: Suspended


@dataclass(frozen=True, slots=True, kw_only=True)
class NextCycle:
    """Begin again, knowing what was wrong."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """The end. `error_code` is empty when it is a good one."""

    status: Status
    outcome: Outcome
    answer: str = ""
    citations: tuple[CitedSpan, ...] = ()
    score: float | None = None
    verified: bool = False
    error_code: str = ""
    error_message: str = ""


InsideStep = (
    HoldAuction
    | TakeSlot
    | Forged
    | Admit
    | Record
    | Spawn
    | Settle
    | Park
    | Ask
    | Delegate
    | NextCycle
    | Finish
)
Step = OutsideStep | InsideStep


def is_outside(step: Step) -> TypeIs[OutsideStep]:
    """Tell whether performing `step` leaves the process or takes long."""
    return isinstance(step, OutsideStep)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What became of an inside step.

    Attributes:
        go_on: Whether the claim goes on.
        result: What the step found out: the winner of an auction, what the market learned.
        now: The database's time when it was written.
    """

    go_on: bool
    now: datetime
    cancel_requested: bool = False
    result: Matched | Scaled | Adapted | None = None
