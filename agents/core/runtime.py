"""The agent: a model with tools, memory, context, skills, interceptors and events around it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from agents.core.errors import (
    AgentsError,
    BudgetExceeded,
    ModelDeclined,
    ModelUnavailable,
    RunCancelled,
    RunSuspended,
)
from agents.core.events import EventBus, RunEvent
from agents.core.organs import AgentConfig as AgentConfig
from agents.core.organs import AgentResult as AgentResult
from agents.core.organs import Organs, Surroundings
from agents.core.ports import (
    Artifacts,
    ContextAssembler,
    Gate,
    Interceptor,
    Journal,
    Memory,
    ModelProvider,
    SkillSet,
    Tool,
    Wallet,
    World,
)
from agents.core.running import Run
from agents.core.types import RunRequest, RunResult, StopReason, Suspension


class Agent:
    """An agent; runs do not share state, so that many may go on at once.

    Args:
        provider: The model, e.g. `agents.providers.openai_compat.OpenAIProvider`.
        instructions: Shorthand for `config=AgentConfig(instructions=…)`.
        tools: What `agents.tools.registry.define_tool` returns, or a `ToolRegistry`.
        world: Clock and identities; the provider's when left out.
    """

    def __init__(
        self,
        *,
        provider: ModelProvider,
        config: AgentConfig | None = None,
        instructions: str = "",
        tools: Iterable[Tool] = (),
        memory: Memory | None = None,
        context: ContextAssembler | None = None,
        events: EventBus | None = None,
        interceptors: Sequence[Interceptor] = (),
        skills: SkillSet | None = None,
        world: World | None = None,
    ) -> None:
        if config is None:
            config = AgentConfig(instructions=instructions)
        elif instructions:
            raise ValueError("Give the instructions in the config or on their own, not both.")
        reader = None if skills is None else skills.tool
        if reader is not None:
            tools = [*tools, reader]
        named = _by_name(tools)
        self._organs = Organs(
            config=config,
            provider=provider,
            world=world or provider.world,
            tools=named,
            specs=tuple(tool.spec for tool in named.values()),
            interceptors=tuple(interceptors),
            memory=memory,
            context=context,
            skills=skills,
            events=events,
        )

    @property
    def config(self) -> AgentConfig:
        return self._organs.config

    @property
    def provider(self) -> ModelProvider:
        return self._organs.provider

    @property
    def tools(self) -> Mapping[str, Tool]:
        return self._organs.tools

    async def run(
        self,
        goal: str,
        *,
        context: str = "",
        session: str = "",
        metadata: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
        gate: Gate | None = None,
        cancelled: asyncio.Event | None = None,
    ) -> AgentResult:
        """Return the answer to the goal.

        Args:
            goal: The user's words.
            context: Text the goal is to be read in.
            session: The conversation to continue; needs a memory.
            metadata: Attributes of the `ToolContext` that tools are given.
            timeout_s: A shorter limit than the config's.
            gate: Who decides on each tool call; all are allowed without one.
            cancelled: Set it to stop the run.

        Raises:
            AgentsError: The run ended without an answer; the type says why.
        """
        request = self._request(
            goal, context=context, session=session, metadata=metadata, timeout_s=timeout_s
        )
        around = Surroundings(gate=gate, cancelled=cancelled)
        return await Run(organs=self._organs, request=request, around=around).finish()

    async def stream(
        self,
        goal: str,
        *,
        context: str = "",
        session: str = "",
        metadata: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
        gate: Gate | None = None,
        cancelled: asyncio.Event | None = None,
    ) -> AsyncIterator[RunEvent]:
        """Yield the events of a run as they happen; the last one is `Done` or `Failed`.

        Arguments as for `run`. Leaving the loop early stops the run.
        """
        request = self._request(
            goal, context=context, session=session, metadata=metadata, timeout_s=timeout_s
        )
        # Bounded by what one run can say; a slow reader must not slow the model's stream down.
        queue: asyncio.Queue[RunEvent | None] = asyncio.Queue()
        around = Surroundings(gate=gate, cancelled=cancelled, on_event=queue.put_nowait)
        run = Run(organs=self._organs, request=request, around=around)
        task = asyncio.create_task(run.finish())
        task.add_done_callback(lambda _: queue.put_nowait(None))
        try:
            while (event := await queue.get()) is not None:
                yield event
            with suppress(AgentsError):  # the last event has told it
                await task
        finally:
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError, AgentsError):
                    await task

    async def execute(
        self,
        request: RunRequest,
        *,
        journal: Journal | None = None,
        wallet: Wallet | None = None,
        gate: Gate | None = None,
        artifacts: Artifacts | None = None,
        cancelled: asyncio.Event | None = None,
        on_event: Callable[[RunEvent], None] | None = None,
    ) -> RunResult:
        """Return how a run ended; one with journaled steps goes on behind them.

        Never raises an `AgentsError`. What the ports raise beyond that tree passes through, and so
        does the cancellation of the surrounding task: such a run has not ended.
        """
        around = Surroundings(
            journal=journal,
            wallet=wallet,
            gate=gate,
            artifacts=artifacts,
            cancelled=cancelled,
            on_event=on_event,
        )
        run = Run(organs=self._organs, request=request, around=around)
        try:
            result = await run.finish()
        except AgentsError as error:
            return _ended(error, run)
        return RunResult(
            stop="answered",
            text=result.text,
            citations=result.citations,
            usage=result.usage,
            step_count=result.step_count,
        )

    async def close(self) -> None:
        """Close the provider's connections."""
        await self._organs.provider.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def _request(
        self,
        goal: str,
        *,
        context: str,
        session: str,
        metadata: Mapping[str, Any] | None,
        timeout_s: float | None,
    ) -> RunRequest:
        if not goal.strip():
            raise ValueError("The goal is empty: say what the agent is to do.")
        if session and self._organs.memory is None:
            raise ValueError("A session needs an agent with a memory: Agent(memory=…).")
        config, world = self._organs.config, self._organs.world
        run_id = world.new_id()
        deadline_at = None if timeout_s is None else world.now() + timedelta(seconds=timeout_s)
        return RunRequest(
            run_id=run_id,
            workspace_id=config.workspace,
            agent_id=config.name,
            task_id=run_id,
            root_task_id=run_id,
            goal=goal,
            context=context,
            session_id=session,
            metadata=metadata or {},
            deadline_at=deadline_at,
        )


def _by_name(tools: Iterable[Tool]) -> dict[str, Tool]:
    named: dict[str, Tool] = {}
    for tool in tools:
        spec = getattr(tool, "spec", None)
        if spec is None:
            raise TypeError(f"{tool!r} is no tool: wrap it with define_tool.")
        if spec.name in named:
            raise ValueError(f"Two tools are called {spec.name!r}.")
        named[spec.name] = tool
    return named


def _ended(error: AgentsError, run: Run) -> RunResult:
    stop: StopReason = "failed"
    suspension: Suspension | None = None
    retry_after_s: float | None = None
    match error:
        case RunSuspended():
            stop = "suspended"
            assert isinstance(error.suspension, Suspension)
            suspension = error.suspension
        case RunCancelled():
            stop = "cancelled"
        case BudgetExceeded():
            stop = "timed_out" if error.limit == "time" else "over_budget"
        case ModelUnavailable():
            stop = "unavailable"
            retry_after_s = error.retry_after_s
        case ModelDeclined():
            stop = "refused"
        case AgentsError(code="agents.reply_empty"):
            stop = "empty"
        case _:
            pass
    return RunResult(
        stop=stop,
        usage=run.usage,
        step_count=run.step,
        error_code=error.code,
        error_message=str(error),
        suspension=suspension,
        retry_after_s=retry_after_s,
    )
