"""The values the cycle is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Literal

from cluster.core.splitting import Rates, SplitTable

Json = dict[str, Any]
USUAL_RATES: Final = Rates()


class Status(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    INPUT_REQUIRED = "input_required"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELLED})


class Phase(StrEnum):
    SENSE = "sense"
    MATCH = "match"
    SCALE = "scale"
    EXECUTE = "execute"
    EVALUATE = "evaluate"
    ADAPT = "adapt"


class Outcome(StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EMPTY = "empty"
    TIMED_OUT = "timed_out"
    OVER_BUDGET = "over_budget"
    REFUSED = "refused"
    CANCELLED = "cancelled"


class DependencyPolicy(StrEnum):
    """What becomes of a part whose dependency failed.

    It fails too, goes on without, or the whole is planned anew in one more cycle.
    """

    FAIL = "fail"
    SKIP = "skip"
    REPLAN = "replan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Caps of a split: levels below the root, parts of one plan, tasks of the whole tree."""

    max_depth: int = 2
    max_width: int = 8
    max_tree: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Tokens and money, of one call or of many."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: Decimal = Decimal(0)

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            cost_usd=self.cost_usd + other.cost_usd,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CitedSpan:
    """A quoted span of a document; offsets are into the document's stored text."""

    document_id: str
    chunk_id: str
    start: int
    end: int
    quote: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to write for a task, until its lease ends or another worker claims it."""

    task_id: str
    workspace_id: str
    attempt: int
    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """What was asked for, and within which limits."""

    id: str
    workspace_id: str
    goal: str
    context: str = ""
    agent: str | None = None
    checks: tuple[Mapping[str, Any], ...] = ()
    budget_usd: Decimal | None = None
    max_cycles: int = 2
    min_score: float | None = None
    deadline_at: datetime | None = None
    collections: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    actor: str = ""
    parent_id: str | None = None
    root_id: str = ""
    depth: int = 0


# ---------------------------------------------------------------- what each phase concludes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensed:
    """SENSE: how hard, of what kind, with which tools.

    Attributes:
        complexity: In [0, 1].
        confidence: In [0, 1]: how far `complexity` and `domain` are to be believed.
        domain: The sensed label, or None.
        weights: The domains the work counts for; sums to 1.
        similarities: Cosine of the goal to each domain's centroid.
        source: `fallback` when no model judged it, with the reason in `why`.
    """

    complexity: float
    confidence: float
    domain: str | None
    weights: dict[str, float]
    similarities: dict[str, float] = field(default_factory=dict[str, float])
    tools: tuple[str, ...] = ()
    source: Literal["model", "fallback"] = "fallback"
    why: str = ""
    cost: Cost = Cost()

    @property
    def main_domain(self) -> str:
        """The domain the work counts for most; empty where there is none."""
        return max(self.weights, key=lambda d: (self.weights[d], d), default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """MATCH: who won. `node_id` None means nobody could take it, and `reason` says why.

    `mean` and `variance` are what is believed of its skill at this work, in logits.
    """

    node_id: str | None
    agent_id: str | None
    agent: str | None
    auction_id: str | None
    reason: str
    pinned: bool = False
    success_probability: float | None = None
    bid_count: int = 0
    mean: float | None = None
    variance: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a split; `reuse_task_id` names an earlier child whose answer still holds."""

    key: str
    goal: str
    depends_on: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    reuse_task_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled:
    """SCALE: alone, or split into parts.

    Attributes:
        source: Where the parts come from: the goal's own enumeration, or a model's plan.
        merge: `assemble` puts the parts' answers in order; `agent` has the winner write one.
        notes: Whatever was capped, repaired or given up.
    """

    split: bool
    parts: tuple[Part, ...] = ()
    shared: str = ""
    source: Literal["", "enumeration", "model"] = ""
    merge: Literal["assemble", "agent"] = "assemble"
    reason: str = ""
    notes: tuple[str, ...] = ()
    cost: Cost = Cost()


RunStop = Literal[
    "answered", "empty", "refused", "timed_out", "over_budget", "failed", "unavailable",
    "cancelled",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """EXECUTE: the answer, or why there is none."""

    stop: RunStop
    answer: str = ""
    citations: tuple[CitedSpan, ...] = ()
    run_id: str | None = None
    step_count: int = 0
    error_code: str = ""
    error_message: str = ""
    failed_parts: tuple[str, ...] = ()
    cost: Cost = Cost()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorePart:
    """One component of a score: a check, a judge, a person, or how the run's steps went."""

    source: Literal["check", "judge", "person", "credit", "steps"]
    name: str
    score: float
    weight: float
    required: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """EVALUATE: what the answer was worth; `score` is None when nobody looked."""

    outcome: Outcome
    score: float | None
    verified: bool
    accepted: bool
    components: tuple[ScorePart, ...] = ()
    comment: str = ""
    judge: str = ""
    cost: Cost = Cost()


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapted:
    """ADAPT: what was learned; `settled` counts the ledger rows written (0 or 1)."""

    settled: int
    reason: str
    terms: Json = field(default_factory=dict[str, Any])


# ---------------------------------------------------------------- what the loop sees


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildView:
    """A child task as its parent sees it."""

    id: str
    key: str
    goal: str
    status: Status
    outcome: Outcome | None = None
    answer: str = ""
    score: float | None = None
    citations: tuple[CitedSpan, ...] = ()
    error_message: str = ""

    @property
    def done(self) -> bool:
        return self.status in FINAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """The cycle before this one: who failed, and what was said about it."""

    cycle: int
    node_id: str | None
    outcome: Outcome
    comment: str
    answer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forging:
    """What MATCH does about a field that is empty or too weak.

    Attributes:
        state: `wanted`: a model is to be asked; `review`: a person is; else it is settled.
        action: What is asked of the model: a skill for `best`, or a new blueprint.
        tools: What the work needs; `allowed` and `denied` say what a blueprint may have.
    """

    state: str
    action: str
    reason: str
    tools: tuple[str, ...] = ()
    allowed: Mapping[str, str] = field(default_factory=dict[str, str])
    denied: Mapping[str, str] = field(default_factory=dict[str, str])
    domains: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()
    best: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskView:
    """All that `amoeba.next_step` may look at; a snapshot, read in one short transaction.

    Attributes:
        inputs: Answers of the tasks this one depends on.
        children: Of this cycle; `earlier_children` of the cycle before.
        holds_slot: This cycle's winner has a slot taken for the task: a run may begin or go on.
        tree_size: Tasks in the whole tree so far.
        split_table: What splitting was worth so far, in the sensed domain and in all.
        rates: What cost and time are worth here.
        replans: Parts that failed are worth one more cycle than the task was given.
        spent: Of the whole tree.
        unavailable_s: For how long nobody has answered this task's model calls; 0 when all is well.
        patience_s: For how long it waits for an endpoint before it gives up.
    """

    task: TaskSpec
    now: datetime
    status: Status
    cycle: int
    cancel_requested: bool = False
    sensed: Sensed | None = None
    forging: Forging | None = None
    matched: Matched | None = None
    scaled: Scaled | None = None
    executed: Executed | None = None
    verdict: Verdict | None = None
    adapted: Adapted | None = None
    rejection: Rejection | None = None
    inputs: tuple[ChildView, ...] = ()
    children: tuple[ChildView, ...] = ()
    spawned: bool = False
    holds_slot: bool = True
    earlier_children: tuple[ChildView, ...] = ()
    tree_size: int = 1
    spent: Cost = Cost()
    limits: Limits = Limits()
    split_table: SplitTable = field(default_factory=SplitTable)
    rates: Rates = USUAL_RATES
    replans: bool = False
    unavailable_s: float = 0.0
    unavailable_reason: str = ""
    patience_s: float = 3600.0
    crash_count: int = 0
