"""One model call of a run: reserved, seen by the interceptors, asked again once if it fails."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from agents.core.budget import cost_usd
from agents.core.errors import ModelDeclined, ModelError, ModelReplyInvalid, ModelUnavailable
from agents.core.events import ReasoningDelta, StepStart, TextDelta, ToolCallDelta, ToolCallStart
from agents.core.ports import (
    CallContext,
    Interceptor,
    ModelDelta,
    ModelProvider,
    ModelReply,
    ModelRequest,
    Wallet,
)
from agents.core.tokens import usage_estimated
from agents.core.transcript import EMPTY_REPLY, Transcript
from agents.core.types import Message, ToolSpec, Usage

Emit = Callable[..., None]  # (event class, **fields): the run adds its id, agent, seq and time
ATTEMPTS = 2  # a reply that is cut, empty or unreadable is asked for once more


class DeltaTeller:
    """Tell the pieces of a reply; of a second try only what the first had not told yet."""

    __slots__ = ("_emit", "_holding", "_other", "_parts", "_step", "_told", "calls")

    def __init__(self, emit: Emit, step: int) -> None:
        self._emit, self._step = emit, step
        self._told = ""  # text of the try before
        self._parts: list[str] = []  # text of this try
        self._holding = False  # while this try repeats what was told
        self._other = False  # something else than text was told
        self.calls: set[str] = set()

    def again(self) -> None:
        """Begin a new try; when more than text was told, the step begins anew for listeners."""
        if self._other:
            self._restart()
        elif not self._holding:
            self._told = "".join(self._parts)
        self._holding, self._parts = bool(self._told), []

    def tell(self, delta: ModelDelta) -> None:
        if delta.text:
            self._parts.append(delta.text)
            if self._holding:
                self._compare()
            else:
                self._emit(TextDelta, text=delta.text)
        if delta.reasoning:
            self._other = True
            self._emit(ReasoningDelta, text=delta.reasoning)
        if delta.call_name:
            self._other = True
            self.calls.add(delta.call_id)
            self._emit(ToolCallStart, call_id=delta.call_id, tool=delta.call_name)
        if delta.call_arguments:
            self._emit(ToolCallDelta, call_id=delta.call_id, arguments=delta.call_arguments)

    def _compare(self) -> None:
        text = "".join(self._parts)
        if self._told.startswith(text):
            return
        self._holding = False
        if text.startswith(self._told):
            self._emit(TextDelta, text=text[len(self._told) :])
        else:
            self._restart()
            self._emit(TextDelta, text=text)

    def _restart(self) -> None:
        self._told, self._other = "", False
        self.calls.clear()
        self._emit(StepStart, step=self._step)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A reply that can be used; `usage` includes what the failed try cost."""

    reply: ModelReply
    usage: Usage
    told_calls: frozenset[str] = frozenset()


@dataclass(slots=True, kw_only=True)
class Asker:
    """Make the model calls of one run."""

    provider: ModelProvider
    interceptors: Sequence[Interceptor]
    wallet: Wallet | None
    emit: Emit
    streaming: bool
    call: CallContext
    temperature: float | None
    max_tokens: int | None
    timeout_s: float
    lost: Usage = field(default_factory=Usage)  # what this step cost so far, even for nothing

    async def ask(self, *, step: int, transcript: Transcript, tools: Sequence[ToolSpec]) -> Asked:
        """Return the model's reply to the transcript.

        Raises:
            ModelError: Nobody answered, or nothing usable, twice.
            BudgetExceeded: The wallet is empty.
        """
        teller = DeltaTeller(self.emit, step)
        problem, empty = ModelReplyInvalid(), False
        self.lost = Usage()
        for attempt in range(ATTEMPTS):
            request = ModelRequest(
                messages=[*transcript, EMPTY_REPLY] if empty else transcript,
                tools=tools,
                temperature=self.temperature,
                max_tokens=self.max_tokens,
                timeout_s=self.timeout_s,
            )
            if attempt:
                teller.again()
            try:
                reply = await self._attempt(request, teller, step=step, attempt=attempt)
            except ModelReplyInvalid as error:
                problem, empty = error, False
                continue
            if reply.finish_reason == "content_filter":
                raise ModelDeclined(reply.message.content or "The model's filter held the answer.")
            if reply.message.content.strip() or reply.message.tool_calls:
                return Asked(reply=reply, usage=self.lost, told_calls=frozenset(teller.calls))
            problem = ModelReplyInvalid("The reply was empty.", code="agents.reply_empty")
            empty = True
        raise problem

    async def _attempt(
        self, request: ModelRequest, teller: DeltaTeller, *, step: int, attempt: int
    ) -> ModelReply:
        call = replace(self.call, step=step, attempt=attempt) if self.interceptors else self.call
        for interceptor in self.interceptors:
            request = await interceptor.before(request, call)
        reply = await self._paid(request, teller, f"{call.run_id}:{step}:{attempt}")
        for interceptor in reversed(self.interceptors):
            reply = await interceptor.after(request, reply, call)
        if self.streaming and self._held:
            message = reply.message
            teller.tell(ModelDelta(text=message.content, reasoning=message.reasoning))
        return reply

    async def _paid(self, request: ModelRequest, teller: DeltaTeller, key: str) -> ModelReply:
        """Return the reply, with its cost counted and settled, also when it is cut off."""
        wallet = self.wallet
        if wallet is not None:
            await wallet.reserve(key=key, request=request, profile=self.provider.profile)
        used, served, heard = Usage(), None, list[str]()
        try:
            reply = await self._send(request, teller, heard)
            used, served = reply.usage, reply.served
        except (ModelError, asyncio.CancelledError) as error:
            if was_answered(error):
                used = self._estimated(request, "".join(heard))
            raise
        finally:
            self.lost += used
            if wallet is not None:
                await wallet.settle(key=key, usage=used, served=served)
        return reply

    async def _send(
        self, request: ModelRequest, teller: DeltaTeller, heard: list[str]
    ) -> ModelReply:
        if not self.streaming:
            return await self.provider.complete(request)
        held, reply = self._held, None
        async for delta in self.provider.stream(request):
            if delta.reply is not None:
                reply = delta.reply
                continue
            heard.append(delta.text or delta.reasoning or delta.call_arguments)
            if not held:
                teller.tell(delta)
        if reply is None:
            raise ModelReplyInvalid("The stream ended without a finish reason.")
        return reply

    def _estimated(self, request: ModelRequest, said: str) -> Usage:
        used = usage_estimated(request, said, self.provider.count)
        return replace(used, cost_usd=cost_usd(self.provider.profile, used))

    @property
    def _held(self) -> bool:
        return any(interceptor.rewrites_reply for interceptor in self.interceptors)


def was_answered(error: BaseException) -> bool:
    """Say whether the endpoint had begun to work for a call that gave no reply.

    Whoever takes a request and is then cut off, by a deadline, a cancel or a broken stream, charges
    for it; whoever refuses it does not.
    """
    if isinstance(error, ModelUnavailable):
        return error.code == "agents.model_timeout"
    return isinstance(error, ModelReplyInvalid | asyncio.CancelledError)


def called(message: Message) -> Message:
    """Return the reply with a distinct id on each call: keys and results hang on them."""
    ids = [call.id for call in message.tool_calls]
    if all(ids) and len(set(ids)) == len(ids):
        return message
    calls = tuple(
        replace(call, id=f"call_{index}") for index, call in enumerate(message.tool_calls)
    )
    return replace(message, tool_calls=calls)
