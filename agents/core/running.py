"""One run of an agent, from its first message to exactly one end."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta

from agents.core import citations
from agents.core.asking import Asker, called
from agents.core.budget import Limits, Repetition
from agents.core.calls import ToolCaller
from agents.core.errors import (
    AgentsError,
    BudgetExceeded,
    ModelReplyInvalid,
    RunCancelled,
    RunSuspended,
)
from agents.core.events import Done, Failed, RunEvent, StepEnd, StepStart
from agents.core.events import Usage as UsageEvent
from agents.core.opening import Opened, opened
from agents.core.organs import AgentResult, Organs, Surroundings
from agents.core.ports import CallContext, ToolContext
from agents.core.transcript import CUT_REPLY, Transcript
from agents.core.types import (
    Citation,
    EffectRecord,
    Json,
    Message,
    RunRequest,
    StepRecord,
    Suspension,
    ToolOutput,
    Usage,
)

SEQ_STRIDE = 1_000_000  # more events than one taking up of a run can have
MAX_CONTINUATIONS = 4  # of one answer that is cut at the model's length limit


@dataclass(slots=True, kw_only=True)
class Run:
    """The state of one run; `finish` is called once."""

    organs: Organs
    request: RunRequest
    around: Surroundings
    usage: Usage = field(default_factory=Usage)
    step: int = 0
    _seq: int = 0
    _transcript: Transcript = field(default_factory=Transcript)
    _book: citations.PassageBook = field(default_factory=citations.PassageBook)
    _opened: Opened = field(default_factory=lambda: Opened(transcript=Transcript(), start=0))
    _texts: list[str] = field(default_factory=list[str])
    _deadline: float = 0.0

    async def finish(self) -> AgentResult:
        """Return the answer.

        Raises:
            AgentsError: The run ended without one; the `error` event has been sent.
        """
        try:
            result = await self._bounded()
        except AgentsError as error:
            self._failed(error)
            raise
        except Exception as error:
            self._failed(AgentsError(type(error).__name__, code="agents.internal"))
            raise
        finally:
            if self.organs.events is not None:
                await self.organs.events.drain()
        return result

    async def _bounded(self) -> AgentResult:
        """Work until the end, the deadline or a cancel, whichever is first."""
        seconds = self._limits.timeout_s
        if self.request.deadline_at is not None:
            left = self.request.deadline_at - self.organs.world.now()
            seconds = min(seconds, left / timedelta(seconds=1))
        self._deadline = self.organs.world.monotonic() + seconds
        timer = asyncio.timeout(max(seconds, 0.0))
        try:
            async with timer:
                return await self._cancellable()
        except TimeoutError:
            if not timer.expired():
                raise
            raise BudgetExceeded(
                f"The run did not end within {seconds:g} s.",
                code="agents.timed_out",
                limit="time",
            ) from None

    async def _cancellable(self) -> AgentResult:
        asked = self.around.cancelled
        if asked is None:
            return await self._work()
        task = asyncio.current_task()
        assert task is not None
        watcher = asyncio.ensure_future(asked.wait())
        watcher.add_done_callback(lambda done: None if done.cancelled() else task.cancel())
        try:
            return await self._work()
        except asyncio.CancelledError:
            if not watcher.done() or watcher.cancelled():
                raise
            task.uncancel()
            raise RunCancelled("The run was asked to stop.") from None
        finally:
            watcher.cancel()

    async def _work(self) -> AgentResult:
        journal = self.around.journal
        records: list[StepRecord] = []
        asker, caller = self._asker(), self._caller()
        if journal is not None:
            self._seq = await journal.begin() * SEQ_STRIDE
            records = await journal.steps()
        if records and journal is not None:
            caller.known = {effect.key: effect for effect in await journal.effects()}
        await self._open(records[0].opening if records else {}, caller.known)
        repetition = Repetition(self.organs.config.max_repeats)
        told: frozenset[str] = frozenset()
        while True:
            if self.step < len(records):
                record = records[self.step]
                self.usage += record.usage
            else:
                record, told = await self._ask(asker)
            self.step += 1
            message = record.message
            self._transcript.append(message)
            if message.tool_calls:
                outputs = await caller.call_all(
                    record.index,
                    message.tool_calls,
                    told=told,
                    repeated=repetition.see(message.tool_calls),
                )
                answer = self._take(message, outputs)
                if answer is not None:
                    return await self._end(record, answer)
            elif record.finish_reason == "length":
                self._texts.append(message.content)
                if len(self._texts) > MAX_CONTINUATIONS:
                    raise ModelReplyInvalid(
                        f"The answer was still cut after {MAX_CONTINUATIONS} continuations.",
                        code="agents.reply_cut",
                    )
                self._transcript.append(CUT_REPLY)
            else:
                return await self._end(record, "".join([*self._texts, message.content]))

    async def _open(self, kept: Json, known: Mapping[str, EffectRecord]) -> None:
        self._opened = await opened(self.organs, self.request, self._book, kept)
        self._transcript = self._opened.transcript
        for effect in known.values():  # their numbers are taken, also while others are counted
            self._book.read(effect.result)

    async def _ask(self, asker: Asker) -> tuple[StepRecord, frozenset[str]]:
        """Return the next finished model call, journaled."""
        world, index = self.organs.world, self.step
        self._limits.check(steps=index, used=self.usage)
        self.emit(StepStart, step=index)
        began = world.monotonic()
        try:
            asked = await asker.ask(
                step=index,
                transcript=self._transcript,
                tools=self.organs.specs,
            )
        except (AgentsError, asyncio.CancelledError):
            self.usage += asker.lost
            raise
        record = StepRecord(
            index=index,
            message=called(asked.reply.message),
            usage=asked.usage,
            finish_reason=asked.reply.finish_reason,
            model=asked.reply.model,
            latency_ms=round((world.monotonic() - began) * 1000),
            report={"context": list(self._opened.report)} if self._opened.report else {},
        )
        if self.around.journal is not None:
            if not index:
                record = replace(record, opening=self._opened.kept())
            await self.around.journal.step_record(record)
        self.usage += record.usage
        self.emit(UsageEvent, usage=record.usage)
        self.emit(StepEnd, step=index, finish_reason=record.finish_reason)
        return record, asked.told_calls

    def _take(self, message: Message, outputs: Sequence[ToolOutput]) -> str | None:
        """Add the results to the transcript; return the answer when a call ended the run."""
        answer: str | None = None
        self._texts.clear()
        for call, output in zip(message.tool_calls, outputs, strict=True):
            self._transcript.append(Message(role="tool", content=output.text, tool_call_id=call.id))
            self._book.read(output.text)
            tool = self.organs.tools.get(call.name)
            if tool is not None and tool.spec.ends_run and output.ok:
                answer = output.text
        return answer

    async def _end(self, record: StepRecord, text: str) -> AgentResult:
        organs, request = self.organs, self.request
        cited: tuple[Citation, ...] = ()
        if self._book.passages or request.citations:
            cited = citations.resolve(text, self._book.passages, request.citations)
            text = citations.numbered(text, self._book.passages, cited)
        if organs.context is not None:
            organs.context.learn(self._opened.assembled, text)
        if organs.memory is not None:
            turns = self._transcript.since(self._opened.start)
            if turns[0].content != request.goal:  # the context was for this once
                answered = turns.since(1)
                turns = Transcript([Message(role="user", content=request.goal)])
                turns.extend(answered)
            await organs.memory.keep(request.session_id, run_id=request.run_id, messages=turns)
        self.emit(Done, text=text, stop="answered", usage=self.usage)
        return AgentResult(
            text=text,
            citations=cited,
            usage=self.usage,
            step_count=self.step,
            run_id=request.run_id,
            reasoning=record.message.reasoning,
            messages=tuple(self._transcript),
            report=self._opened.report,
        )

    def emit(self, kind: Callable[..., RunEvent], **fields: object) -> None:
        """Send an event to the caller and to the bus; none is made when nobody listens."""
        told, bus = self.around.on_event, self.organs.events
        if told is None and bus is None:
            return
        event = kind(
            run_id=self.request.run_id,
            agent=self.organs.config.name,
            workspace=self.request.workspace_id,
            seq=self._seq,
            at=self.organs.world.now(),
            **fields,
        )
        self._seq += 1
        if told is not None:
            told(event)
        if bus is not None:
            bus.publish(event)

    def _failed(self, error: AgentsError) -> None:
        detail: Json = {}
        if isinstance(error, RunSuspended) and isinstance(error.suspension, Suspension):
            detail = asdict(error.suspension)
        elif isinstance(error, BudgetExceeded):
            detail = {"limit": error.limit}
        self.emit(
            Failed,
            code=error.code,
            message=str(error),
            retryable=error.retryable,
            detail=detail,
        )

    @property
    def _limits(self) -> Limits:
        """The agent's limits, narrowed by the request's."""
        limits, request = self.organs.config.limits(), self.request
        if request.max_steps is not None:
            limits = replace(limits, steps=min(limits.steps, request.max_steps))
        if request.budget_usd is not None:
            limits = replace(limits, cost_usd=min(limits.cost_usd, request.budget_usd))
        return limits

    def _asker(self) -> Asker:
        organs, config = self.organs, self.organs.config
        listening = self.around.on_event is not None or (
            organs.events is not None and organs.events.wants("text_delta")
        )
        return Asker(
            provider=organs.provider,
            interceptors=organs.interceptors,
            wallet=self.around.wallet,
            emit=self.emit,
            streaming=listening and organs.provider.profile.streaming,
            call=CallContext(
                run_id=self.request.run_id,
                workspace=self.request.workspace_id,
                agent=config.name,
                step=0,
                attempt=0,
            ),
            temperature=config.temperature,
            max_tokens=config.max_output_tokens,
            timeout_s=config.call_timeout_s,
        )

    def _caller(self) -> ToolCaller:
        organs, request = self.organs, self.request
        return ToolCaller(
            tools=organs.tools,
            context=ToolContext(
                run_id=request.run_id,
                task_id=request.task_id,
                workspace=request.workspace_id,
                agent=organs.config.name,
                step=0,
                key="",
                deadline=self._deadline,
                cancelled=self.around.cancelled or asyncio.Event(),
                metadata=request.metadata,
                cite=self._book.cite,
            ),
            world=organs.world,
            emit=self.emit,
            journal=self.around.journal,
            gate=self.around.gate,
            artifacts=self.around.artifacts,
            max_result_chars=organs.config.max_result_chars,
            at_once=asyncio.Semaphore(organs.config.parallel_tools),
        )
