"""Any endpoint that speaks the OpenAI wire format, through the `openai` client."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agents.core.budget import cost_usd
from agents.core.errors import ModelRefused, ModelReplyInvalid, ModelUnavailable
from agents.core.ports import Breaker, ModelDelta, ModelReply, ModelRequest, World
from agents.core.tokens import TokenCounter, usage_estimated
from agents.core.transcript import Transcript
from agents.core.types import Json, Message, ModelProfile, ServedBy, ToolSpec, Usage
from agents.providers import emulation, profiles, wire
from agents.providers.clients import (
    CONNECT_TIMEOUT_S,
    ClientKey,
    Clients,
    headers_key,
    shared_clients,
)
from agents.providers.retrying import Retries
from agents.providers.sse import EventData
from agents.providers.tokenizers import tokenizer_for
from agents.providers.world import system_world

if TYPE_CHECKING:
    import httpx2

PATH, END = "/chat/completions", b"[DONE]"
READ_OUT_S = 1.0


class OpenAIProvider:
    """A model behind an OpenAI-compatible endpoint.

    Args:
        model: The name the endpoint knows it by.
        base_url: Up to and including `/v1`; left out, the client's default or `OPENAI_BASE_URL`.
        api_key: Left out together with `base_url`, `OPENAI_API_KEY`.
        profile: What the model can do; left out, what is known of the model and its vendor.
        breaker: Shared by whoever uses the endpoint; none leaves every call to its retries.
        extra_body: Fields put into each request as they are.
        served: Put into each reply: on whose account the call is booked.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        profile: ModelProfile | None = None,
        breaker: Breaker | None = None,
        world: World | None = None,
        max_attempts: int = 6,
        headers: Mapping[str, str] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        served: ServedBy | None = None,
        clients: Clients = shared_clients,
    ) -> None:
        if not model:
            raise ValueError("A provider needs the name of a model.")
        self.model = model
        self.profile = profile or profiles.profile_for(model, base_url)
        self.world = world or system_world()
        self.count = TokenCounter(tokenizer_for(model))
        self._key = ClientKey(base_url=base_url, api_key=api_key, headers=headers_key(headers))
        self._clients = clients
        self._extra = dict(extra_body or {})
        self._served = served
        self._retries = Retries(
            endpoint=f"{base_url or 'default'}#{model}",
            world=self.world,
            breaker=breaker,
            max_attempts=max_attempts,
        )
        self._tools: tuple[Sequence[ToolSpec], list[Json]] = ((), [])

    async def complete(self, request: ModelRequest) -> ModelReply:
        if request.tools and not self.profile.tools:
            reply = await self.complete(emulation.without_tools(request, self.profile))
            return emulation.with_calls(reply, request)
        body = self._body(request)

        async def post(timeout_s: float) -> Json:
            async with asyncio.timeout(timeout_s):
                response = await self._post(body)
            return wire.loads(response.content)

        data = await self._retries.run(post, timeout_s=request.timeout_s)
        return self._reply(data, request)

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelDelta]:
        if request.tools and not self.profile.tools:
            # Whether the text is a call is known only when all of it is there.
            for delta in emulation.deltas(await self.complete(request)):
                yield delta
            return
        body = {**self._body(request), "stream": True}
        body["stream_options"] = {"include_usage": True}
        until = self.world.monotonic() + request.timeout_s

        async def post(timeout_s: float) -> "httpx2.Response":
            async with asyncio.timeout(timeout_s):
                return await self._post(body, stream_s=request.timeout_s)

        response = await self._retries.run(post, timeout_s=request.timeout_s)
        try:
            if response.headers.get("content-type", "").startswith("application/json"):
                # Some servers know no streams and send the whole reply.
                for delta in emulation.deltas(await self._whole(response, request)):
                    yield delta
                return
            async for delta in self._deltas(response, request, until):
                yield delta
        finally:
            await response.aclose()

    async def _deltas(
        self, response: "httpx2.Response", request: ModelRequest, until: float
    ) -> AsyncIterator[ModelDelta]:
        assembler = wire.StreamAssembler()
        try:
            async for data in self._events(response, until):
                for delta in assembler.add(wire.loads(data)):
                    yield delta
        except _transport_errors() as error:
            if not assembler.finish:
                raise ModelReplyInvalid(f"The stream was cut: {_said(error)}") from error
        for delta in assembler.end():
            yield delta
        message = assembler.message()
        yield ModelDelta(
            reply=ModelReply(
                message=message,
                usage=self._priced(assembler.usage or self._estimated(request, message)),
                finish_reason=assembler.finish,
                model=assembler.model or self.model,
                served=self._served,
            )
        )

    def _reply(self, data: Json, request: ModelRequest) -> ModelReply:
        message, finish = wire.reply_of(data)
        return ModelReply(
            message=message,
            usage=self._priced(wire.usage_of(data) or self._estimated(request, message)),
            finish_reason=finish,
            model=str(data.get("model") or self.model),
            served=self._served,
        )

    async def _whole(self, response: "httpx2.Response", request: ModelRequest) -> ModelReply:
        try:
            async with asyncio.timeout(request.timeout_s):
                raw = await response.aread()
        except (TimeoutError, *_transport_errors()) as error:
            raise ModelReplyInvalid(f"The reply was cut: {_said(error)}") from error
        return self._reply(wire.loads(raw), request)

    async def _events(self, response: "httpx2.Response", until: float) -> AsyncIterator[bytes]:
        """Yield the events of a stream up to its end mark, then read on to where it really ends."""
        events, chunks = EventData(), response.aiter_bytes()
        async for chunk in chunks:
            for data in events.feed(chunk):
                if data == END:
                    await _read_out(chunks)
                    return
                yield data
            if self.world.monotonic() > until:
                raise ModelReplyInvalid("The stream did not end in time.")
        for data in events.end():
            if data != END:
                yield data

    async def close(self) -> None:
        """Close this loop's connections, unless another provider of the endpoint uses them."""
        await self._clients.release(id(self))

    def _body(self, request: ModelRequest) -> Json:
        messages = request.messages
        body: Json = {
            "model": self.model,
            "messages": messages.rendered(wire.message_wire)
            if isinstance(messages, Transcript)
            else [wire.message_wire(message) for message in messages],
        }
        if request.tools:
            if self._tools[0] is not request.tools:
                self._tools = (request.tools, wire.tools_wire(request.tools))
            body["tools"] = self._tools[1]
        body.update(wire.options_wire(request, self.model))
        body.update(self._extra)
        return body

    async def _post(self, body: Json, *, stream_s: float = 0.0) -> "httpx2.Response":
        """Send a request and return the endpoint's answer, translated to the tree of errors.

        With `stream_s` it is not read yet, and may be silent for that long at most.

        The client's typed methods would copy every message of the conversation into models of their
        own on each call, which costs as much as everything else; the answer is read by `wire`.
        """
        import httpx2  # noqa: PLC0415 -- loaded with the client, not with this module
        import openai  # noqa: PLC0415 -- as above

        try:
            client = self._clients.get(self._key, id(self))
            options: Any = {}
            if stream_s:
                silence = httpx2.Timeout(None, connect=CONNECT_TIMEOUT_S, read=stream_s)
                options = {"timeout": silence}
            answer: Any = await client.post(
                PATH,
                cast_to=httpx2.Response,
                body=body,
                options=options,
                stream=bool(stream_s),
                stream_cls=openai.AsyncStream[Any],
            )
        except openai.APIStatusError as error:
            raise _refused(error) from error
        except openai.APIConnectionError as error:
            raise ModelUnavailable(f"Nobody answers: {_said(error)}") from error
        except openai.OpenAIError as error:
            raise ModelRefused(str(error), code="agents.endpoint_invalid") from error
        return answer

    def _estimated(self, request: ModelRequest, message: Message) -> Usage:
        said = message.content + "".join(call.arguments for call in message.tool_calls)
        return usage_estimated(request, said + message.reasoning, self.count)

    def _priced(self, usage: Usage) -> Usage:
        cost = cost_usd(self.profile, usage)
        return replace(usage, cost_usd=cost) if cost else usage


def _refused(error: Any) -> ModelRefused | ModelUnavailable:  # noqa: ANN401 -- the client is loaded lazily
    """Translate a 4xx or 5xx answer."""
    status: int = error.status_code
    said = f"The endpoint answered {status}: {error.message}"
    if error.code == "insufficient_quota":
        return ModelUnavailable(said, code="agents.quota_used_up", retryable=False)
    if status in (408, 409, 425, 429) or status >= 500:  # noqa: PLR2004 -- server errors
        code = "agents.rate_limited" if status == 429 else "agents.model_unavailable"  # noqa: PLR2004
        after = error.response.headers.get("retry-after", "")
        seconds = float(after) if after.replace(".", "", 1).isdigit() else None
        return ModelUnavailable(said, code=code, retry_after_s=seconds)
    return ModelRefused(said, status=status)


async def _read_out(chunks: AsyncIterator[bytes]) -> None:
    """Read a body to its real end: that leaves the connection for the next call."""
    with suppress(TimeoutError, *_transport_errors()):
        async with asyncio.timeout(READ_OUT_S):
            async for _ in chunks:
                pass


def _transport_errors() -> tuple[type[Exception], ...]:
    import httpx2  # noqa: PLC0415 -- loaded with the client, not with this module

    return (httpx2.RequestError, httpx2.StreamError)


def _said(error: BaseException) -> str:
    """Return the innermost words: the client wraps them in "Connection error."."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__} {error}".strip()
