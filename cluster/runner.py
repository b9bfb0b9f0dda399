"""The cycle's ports over the agent runtime and the knowledge search, for one claimed task."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid5

from agents import wiring as agents
from agents.assembly.answers import JsonReply
from agents.core.citations import misquoted
from agents.core.events import (
    ReasoningDelta,
    RunEvent,
    StepEnd,
    TextDelta,
    ToolCallEnd,
    ToolCallStart,
)
from agents.core.types import Message, RunRequest, RunResult
from cluster import live
from cluster.core.checks import CheckResult, CitationFacts, check_run, step_of
from cluster.core.domains import cosine
from cluster.core.errors import ClaimLost
from cluster.core.ports import Look, Purpose
from cluster.core.steps import ModelAnswer, RunAgent, RunOutcome, Suspended, Unavailable
from cluster.core.types import CitedSpan, Cost, Executed, Json, TaskSpec, TaskView
from cluster.selectors.books import book_read
from cluster.selectors.judging import authors_of, judge_trust
from cluster.selectors.population import domain_list, tools_offered
from cluster.selectors.step_checks import results_seen, steps_settled
from knowledge import wiring as knowledge
from knowledge.core.citations import Citation
from knowledge.core.errors import EmbeddingUnavailable
from loomsite.access.bridge import db

logger = logging.getLogger(__name__)

MODEL_TIMEOUT_S = 120.0
TEXT_KEPT = 2_000


@dataclass(slots=True)
class Happenings:
    """What a run said and no transaction has kept yet; the next fenced write takes them along.

    Attributes:
        written: How many of `pending` the transaction `written_by` wrote; whether it was committed
            is looked up by the next one, which holds the task's lock and so comes behind its end.
    """

    pending: list[tuple[str, Json]] = field(default_factory=list)
    written: int = 0
    written_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeRunner:
    """`AgentRunner` over the agent runtime.

    Attributes:
        checks_settle: Has the market learn from checks of steps that have finished.
    """

    fence: Callable[[], None]
    cancelled: asyncio.Event
    happenings: Happenings
    checks_settle: Callable[[], int]

    async def run(self, view: TaskView, step: RunAgent) -> RunOutcome:
        checked = frozenset(map(step_of, view.task.checks)) - {""}
        if checked:  # what a run that is taken up had finished: nobody tells of it again
            await _settled(self.checks_settle)
        deltas = live.DeltaWriter(view.task.id)
        said = _Listener(
            happenings=self.happenings,
            deltas=deltas,
            checked=checked,
            checks_settle=self.checks_settle,
        )
        request = RunRequest(
            run_id=run_id(view.task.id, view.cycle),
            workspace_id=view.task.workspace_id,
            agent_id=step.agent_id,
            task_id=view.task.id,
            root_task_id=view.task.root_id,
            goal=step.goal,
            context=step.context,
            collections=view.task.collections,
            metadata=view.task.metadata,
            deadline_at=view.task.deadline_at,
            budget_usd=view.task.budget_usd,
            user_id=view.task.actor,
            session_id=session_of(view.task),
        )
        try:
            result = await agents.run_agent(
                request, fence=self.fence, on_event=said.hear, cancelled=self.cancelled
            )
        finally:
            await deltas.close()
        return run_outcome(request.run_id, result)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeMind:
    """`Mind` over the agents' schema-constrained calls."""

    fence: Callable[[], None]

    async def ask(
        self, view: TaskView, *, purpose: Purpose, system: str, user: str, schema: Json
    ) -> ModelAnswer:
        reply = await agents.complete_json(
            workspace_id=view.task.workspace_id,
            purpose=purpose,
            messages=[Message(role="system", content=system), Message(role="user", content=user)],
            schema=schema,
            schema_name=purpose,
            task_id=view.task.id,
            root_task_id=view.task.root_id,
            budget_usd=view.task.budget_usd,
            timeout_s=MODEL_TIMEOUT_S,
            fence=self.fence,
            user_id=view.task.actor,
        )
        return model_answer(reply)


def model_answer(reply: JsonReply) -> ModelAnswer:
    """Return a schema-constrained reply as the cycle sees it."""
    return ModelAnswer(
        value=reply.value,
        why=reply.why,
        model=reply.model,
        cost=Cost(
            prompt_tokens=reply.usage.prompt_tokens,
            completion_tokens=reply.usage.completion_tokens,
            cost_usd=reply.usage.cost_usd,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeWorkspaceMind:
    """`WorkspaceMind` over the same calls; they are on the workspace's account, and no task's."""

    async def ask(
        self, workspace_id: str, *, purpose: Purpose, system: str, user: str, schema: Json
    ) -> ModelAnswer:
        account = str(uuid5(UUID(workspace_id), f"growth/{purpose}"))
        reply = await agents.complete_json(
            workspace_id=workspace_id,
            purpose=purpose,
            messages=[Message(role="system", content=system), Message(role="user", content=user)],
            schema=schema,
            schema_name=purpose,
            task_id=account,
            root_task_id=account,
            budget_usd=None,
            timeout_s=MODEL_TIMEOUT_S,
            fence=_open,
        )
        return model_answer(reply)


def _open() -> None:
    """Let every write through: nobody else claims what belongs to no task."""


class MeasuredBelief:
    """`Belief` over the judge's audits and what people said of the same answers."""

    async def in_judge(self, view: TaskView) -> float:
        return await db(judge_trust, workspace_id=view.task.workspace_id)

    async def authors(self, view: TaskView) -> list[str]:
        return await db(authors_of, task_ids=[view.task.id, *(child.id for child in view.children)])


class CheckingJudge:
    """`Judge` over the pure checks; citations are looked up where they were made from."""

    async def check(
        self,
        view: TaskView,
        *,
        checks: tuple[Mapping[str, Any], ...],
        answer: str,
        citations: tuple[CitedSpan, ...],
    ) -> tuple[CheckResult, ...]:
        if not checks:
            return ()
        return await db(_checked, view, checks, answer, citations)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSurroundings:
    """`Surroundings` over the workspace's domains and tools, compared by the embedding model.

    Attributes:
        centroids_fill: Keeps the embeddings of descriptions that had none yet.
    """

    centroids_fill: Callable[..., None]

    async def look(self, view: TaskView, text: str) -> Look:
        return await db(_look, view.task.workspace_id, text, self.centroids_fill)


def run_id(task_id: str, cycle: int) -> str:
    """Return the id of a cycle's run: the same after a takeover, another in another cycle."""
    return str(uuid5(UUID(task_id), f"run/{cycle}"))


def session_of(task: TaskSpec) -> str:
    """Return the conversation that a task continues; empty for none.

    Only what was asked of one agent by name continues one: its parts and hand-offs are no turns.
    """
    if task.agent is None or task.parent_id is not None:
        return ""
    return str(task.metadata.get("session_id") or "")


def run_outcome(run: str, result: RunResult) -> RunOutcome:
    """Return what a run's result means for the cycle."""
    if result.stop == "suspended" and result.suspension is not None:
        asked = result.suspension
        return RunOutcome(
            suspended=Suspended(
                kind=asked.kind,
                key=asked.key,
                run_id=run,
                question=asked.question,
                options=asked.options,
                detail=asked.detail,
            )
        )
    if result.stop == "unavailable":
        return RunOutcome(
            unavailable=Unavailable(
                reason=result.error_message or "no answer",
                retry_after_s=result.retry_after_s or 1.0,
            )
        )
    assert result.stop != "suspended"  # a suspended run says what it waits for
    return RunOutcome(
        executed=Executed(
            stop=result.stop,
            answer=result.text,
            citations=tuple(
                CitedSpan(
                    document_id=c.document_id,
                    chunk_id=c.chunk_id,
                    start=c.start,
                    end=c.end,
                    quote=c.quote,
                )
                for c in result.citations
            ),
            run_id=run,
            step_count=result.step_count,
            error_code=result.error_code,
            error_message=result.error_message,
            cost=Cost(
                prompt_tokens=result.usage.prompt_tokens,
                completion_tokens=result.usage.completion_tokens,
                cost_usd=result.usage.cost_usd,
            ),
        )
    )


@dataclass(slots=True, kw_only=True)
class _Listener:
    """Sorts a run's events: text goes out live, what happened is kept with the next write."""

    happenings: Happenings
    deltas: live.DeltaWriter
    checked: frozenset[str]
    checks_settle: Callable[[], int]
    step: int = 0

    async def hear(self, event: RunEvent) -> None:
        match event:
            case TextDelta():
                self.deltas.add("text_delta", self.step, event.text)
            case ReasoningDelta():
                self.deltas.add("reasoning_delta", self.step, event.text)
            case StepEnd():
                self.step = event.step + 1
                self._keep("step.ended", step=event.step, finish_reason=event.finish_reason)
            case ToolCallStart():
                self._keep("tool_call.started", call_id=event.call_id, tool=event.tool)
            case ToolCallEnd():
                self._keep(
                    "tool_call.ended",
                    call_id=event.call_id,
                    tool=event.tool,
                    arguments=event.arguments[:TEXT_KEPT],
                    result=event.result[:TEXT_KEPT],
                    ok=event.ok,
                    latency_ms=event.latency_ms,
                )
                if event.ok and event.tool in self.checked:
                    await _settled(self.checks_settle)
            case _:
                pass

    def _keep(self, kind: str, **data: Any) -> None:  # noqa: ANN401 -- JSON values
        self.happenings.pending.append((kind, data))


async def _settled(checks_settle: Callable[[], int]) -> None:
    """Have checks of steps settled; that the claim is lost is for the run's own writes to say."""
    with suppress(ClaimLost):
        await db(checks_settle)


def _checked(
    view: TaskView,
    checks: tuple[Mapping[str, Any], ...],
    answer: str,
    citations: tuple[CitedSpan, ...],
) -> tuple[CheckResult, ...]:
    problems = knowledge.cites_check(
        workspace_id=view.task.workspace_id,
        citations=[
            Citation(
                document_id=c.document_id,
                chunk_id=c.chunk_id,
                start=c.start,
                end=c.end,
                quote=c.quote,
            )
            for c in citations
        ],
    )
    texts = knowledge.document_texts(
        workspace_id=view.task.workspace_id, document_ids={c.document_id for c in citations}
    )
    facts = CitationFacts(
        count=len(citations),
        problems=(
            *(problem.message for problem in problems),
            *(f"no cited document says {quote!r}" for quote in misquoted(answer, texts.values())),
        ),
    )
    steps = results_seen(view, checks)
    known = steps_settled(task_id=view.task.id, cycle=view.cycle) if steps else {}
    return tuple(
        # What the market has learned from is what counts, whatever the journal says by now.
        replace(known[number].result, required=check.get("required") is True)
        if number in known
        else check_run(check, answer, citations=facts, steps=steps)
        for number, check in enumerate(checks)
    )


def _look(workspace_id: str, text: str, centroids_fill: Callable[..., None]) -> Look:
    rows = domain_list(workspace_id=workspace_id)
    goal: list[float] = []
    similarities = {row.slug: 0.0 for row in rows}
    try:
        untold = [row for row in rows if not row.centroid]
        goal, *told = knowledge.embed_texts([text, *(row.description for row in untold)])
        fresh = {row.slug: vector for row, vector in zip(untold, told, strict=True)}
        if fresh:
            centroids_fill(workspace_id=workspace_id, vectors=fresh)
        similarities = {row.slug: cosine(goal, fresh.get(row.slug) or row.centroid) for row in rows}
    except EmbeddingUnavailable as error:
        logger.warning("no embeddings, all domains count as equally near: %s", error)
    return Look(
        similarities=similarities,
        domains={row.slug: row.description for row in rows},
        tools=tools_offered(workspace_id=workspace_id),
        trust=book_read(workspace_id=workspace_id).trust,
        embedding=tuple(goal),
    )
