"""The tool calls of a run: checked, permitted, journaled, bounded, and their outcomes fed back."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agents.core.asking import Emit
from agents.core.errors import AgentsError, RunSuspended, ToolFailed, ToolRetry
from agents.core.events import ToolCallEnd, ToolCallStart
from agents.core.ports import Artifacts, Gate, Journal, Tool, ToolContext, World
from agents.core.transcript import effect_key, preview
from agents.core.types import EffectRecord, Suspension, ToolCall, ToolOutput

REPEATED = (
    "Not run: you made this very call in the steps before, with the same arguments. Use its "
    "result, change the arguments, or answer."
)
DENIED = "A person denied this call. Go on without it."
EDITED = "A person changed this call before it ran. Its arguments were: {arguments}\nIts result:\n"
MAX_DETAIL = 2_000


@dataclass(slots=True, kw_only=True)
class ToolCaller:
    """Make the tool calls of one run; each outcome is journaled before the model sees it."""

    tools: Mapping[str, Tool]
    context: ToolContext
    world: World
    emit: Emit
    journal: Journal | None
    gate: Gate | None
    artifacts: Artifacts | None
    max_result_chars: int
    at_once: asyncio.Semaphore
    known: dict[str, EffectRecord] = field(default_factory=dict[str, EffectRecord])

    async def call_all(
        self,
        step: int,
        calls: Sequence[ToolCall],
        *,
        told: frozenset[str] = frozenset(),
        repeated: bool = False,
    ) -> list[ToolOutput]:
        """Return the outcome of each call, in order; calls of one step run side by side.

        Raises:
            RunSuspended: One has to wait; the others have ended and are journaled.
        """
        if len(calls) == 1:
            return [await self._call(step, 0, calls[0], told=told, repeated=repeated)]
        outcomes = await asyncio.gather(
            *(
                self._call(step, index, call, told=told, repeated=repeated)
                for index, call in enumerate(calls)
            ),
            return_exceptions=True,
        )
        outputs: list[ToolOutput] = []
        waits: list[RunSuspended] = []
        for outcome in outcomes:
            if isinstance(outcome, RunSuspended):
                waits.append(outcome)
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                outputs.append(outcome)
        if waits:
            raise _together(waits)
        return outputs

    async def _call(
        self, step: int, index: int, call: ToolCall, *, told: frozenset[str], repeated: bool
    ) -> ToolOutput:
        key = effect_key(self.context.run_id, step, index)
        before = self.known.get(key)
        if before is not None and before.state in ("done", "failed"):
            return ToolOutput(text=before.result, ok=before.state == "done")
        if call.id not in told:
            self.emit(ToolCallStart, call_id=call.id, tool=call.name)
        asked = call
        if before is not None and before.arguments is not None:
            call = replace(call, arguments=before.arguments)
        began = self.world.monotonic()
        output = await self._outcome(step, key, call, before, repeated=repeated)
        if call is not asked:
            output = self._told_of_edit(call, output)
        output = await self._fitting(key, call, output)
        latency_ms = round((self.world.monotonic() - began) * 1000)
        if self.journal is not None:
            await self.journal.effect_end(
                key=key,
                step=step,
                call=call,
                ok=output.ok,
                result=output.text,
                latency_ms=latency_ms,
            )
        self.emit(
            ToolCallEnd,
            call_id=call.id,
            tool=call.name,
            arguments=call.arguments,
            result=output.text,
            ok=output.ok,
            latency_ms=latency_ms,
        )
        return output

    async def _outcome(
        self, step: int, key: str, call: ToolCall, before: EffectRecord | None, *, repeated: bool
    ) -> ToolOutput:
        tool = self.tools.get(call.name)
        if tool is None:
            names = ", ".join(sorted(self.tools)) or "none"
            return ToolOutput(text=f"There is no tool {call.name!r}. Tools: {names}.", ok=False)
        if repeated:
            return ToolOutput(text=REPEATED, ok=False)
        try:
            arguments = tool.parse(call.arguments)
        except ToolRetry as error:
            return ToolOutput(text=error.message, ok=False)
        refusal = await self._refusal(key, call, tool, before)
        if refusal is not None:
            return refusal
        if tool.spec.effect:
            settled = await self._begin(step, key, call, tool, before)
            if settled is not None:
                return settled
        return await self._run(tool, arguments, self._context(step, key, tool))

    async def _refusal(
        self, key: str, call: ToolCall, tool: Tool, before: EffectRecord | None
    ) -> ToolOutput | None:
        if before is not None and before.state == "denied":
            return ToolOutput(text=before.result or DENIED, ok=False)
        if self.gate is None:
            return None
        verdict, reason = await self.gate.decide(call=call, tool=tool.spec)
        if verdict == "deny":
            return ToolOutput(text=f"Not allowed: {reason or 'policy'}.", ok=False)
        if verdict == "ask" and (before is None or before.state != "approved"):
            raise RunSuspended(
                f"Calling {call.name!r} needs an approval.",
                suspension=Suspension(
                    kind="approval",
                    key=key,
                    question=f"May {self.context.agent!r} call {call.name!r}? {reason}".strip(),
                    options=("approve", "deny"),
                    detail={"tool": call.name, "arguments": call.arguments},
                ),
            )
        return None

    async def _begin(
        self, step: int, key: str, call: ToolCall, tool: Tool, before: EffectRecord | None
    ) -> ToolOutput | None:
        """Note the effect before it happens; an outcome when there is already one."""
        if self.journal is None:
            return None
        record = before
        if record is None or record.state != "unknown":
            record = await self.journal.effect_begin(key=key, step=step, call=call, tool=tool.spec)
        match record.state:
            case "new" | "approved":
                return None
            case "done" | "failed":
                return ToolOutput(text=record.result, ok=record.state == "done")
            case "denied":
                return ToolOutput(text=record.result or DENIED, ok=False)
            case "unknown":
                if tool.spec.idempotent:
                    return None
                raise RunSuspended(
                    f"Nobody knows whether {call.name!r} happened.",
                    suspension=Suspension(
                        kind="unknown_effect",
                        key=key,
                        question=f"The run stopped while {call.name!r} was being called. "
                        "Did it happen?",
                        options=("done", "retry", "skip"),
                        detail={"tool": call.name, "arguments": call.arguments},
                    ),
                )

    async def _run(self, tool: Tool, arguments: Any, context: ToolContext) -> ToolOutput:  # noqa: ANN401 -- see Tool.parse
        limit = tool.spec.timeout_s
        async with self.at_once:
            try:
                async with asyncio.timeout(limit):
                    return await tool.call(arguments, context)
            except (ToolRetry, ToolFailed) as error:
                return ToolOutput(text=str(error), ok=False)
            except AgentsError:
                raise
            except TimeoutError:
                ending = "; it may or may not have happened" if tool.spec.effect else ""
                text = f"{tool.spec.name!r} did not end within {limit:g} s{ending}."
                return ToolOutput(text=text, ok=False)
            except Exception as error:  # noqa: BLE001 -- a tool is foreign code: its faults are fed back
                detail = f"{type(error).__name__}: {error}"[:MAX_DETAIL]
                return ToolOutput(text=f"{tool.spec.name!r} failed. {detail}", ok=False)

    async def _fitting(self, key: str, call: ToolCall, output: ToolOutput) -> ToolOutput:
        text = _clean(output.text)
        if len(text) > self.max_result_chars:
            notice = f"{len(text)} characters in all"
            if self.artifacts is not None:
                artifact = await self.artifacts.put(key=key, name=f"{call.name}.txt", text=text)
                notice += f", kept as artifact {artifact}"
            text = preview(text, self.max_result_chars, notice)
        return output if text is output.text else replace(output, text=text)

    def _told_of_edit(self, call: ToolCall, output: ToolOutput) -> ToolOutput:
        """Tell the model what ran in place of its call; the text of an answer stays as it is."""
        tool = self.tools.get(call.name)
        if tool is not None and tool.spec.ends_run and output.ok:
            return output
        return replace(output, text=EDITED.format(arguments=call.arguments) + output.text)

    def _context(self, step: int, key: str, tool: Tool) -> ToolContext:
        deadline = self.world.monotonic() + tool.spec.timeout_s
        if self.context.deadline is not None:
            deadline = min(deadline, self.context.deadline)
        return replace(self.context, step=step, key=key, deadline=deadline)


def _clean(text: str) -> str:
    """Return the text without what neither JSON nor a database can hold."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def _together(waits: Sequence[RunSuspended]) -> RunSuspended:
    """Return the first wait; child tasks of one step wait as one, so that they run side by side."""
    first = waits[0].suspension
    children = [
        child
        for wait in waits
        if isinstance(wait.suspension, Suspension) and wait.suspension.kind == "children"
        for child in wait.suspension.detail["children"]
    ]
    if not isinstance(first, Suspension) or first.kind != "children":
        return waits[0]
    merged = replace(first, detail={**first.detail, "children": children})
    return RunSuspended(waits[0].message, suspension=merged)
