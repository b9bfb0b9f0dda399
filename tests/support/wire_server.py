"""A local server that speaks the OpenAI wire format, for tests and trying things out.

    python -m tests.support.wire_server --port 9300 [--latency-ms 20]

`/v1/models`, `/v1/chat/completions` (whole, streamed, tools, JSON Schema), `/v1/embeddings`.
What it says is in `wire_brain`, steered by marks in the goal. Besides:

    GET  /stats      {"chat", "embeddings", "models", "faults", "in_flight", "aborted",
                      "by_purpose": {…}}
    GET  /requests   the bodies of the chat requests, the latest 1000
    POST /script     {"faults": [{"kind", "times"?, "purpose"?, "match"?}], "latency_ms"?,
                      "texts": ["said first", "said next", …]}
    POST /reset      forget counters, requests and script

In a test: `with WireServer() as server: OpenAIProvider("local", base_url=server.url)`.
"""

import argparse
import asyncio
import json
import re
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

import uvicorn

from tests.support import wire_brain
from tests.support.wire_brain import Asked, Json, Reply

MODEL = "local"
DIMENSIONS = 384
HANG_S = 3600.0
Send = Callable[[Json], Awaitable[None]]
Receive = Callable[[], Awaitable[Json]]


class Gone(Exception):
    """The client left while it was kept waiting."""


class Cut(Exception):
    """Raised after the reply has begun: the server then drops the connection."""


@dataclass
class State:
    """What the server remembers."""

    counts: Counter[str] = field(default_factory=Counter)
    purposes: Counter[str] = field(default_factory=Counter)
    requests: deque[Json] = field(default_factory=lambda: deque(maxlen=1000))
    faulted: Counter[str] = field(default_factory=Counter)
    script: list[Json] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    latency_ms: float = 0.0

    def fault(self, asked: Asked) -> str:
        """Return the fault that is due for a request, and count it; empty for none."""
        for number, rule in enumerate(self.script):
            text = json.dumps(asked.body.get("messages"))
            fits = rule.get("purpose", asked.purpose) == asked.purpose
            if fits and str(rule.get("match", "")) in text:
                times = rule.get("times", 1)
                if self._due(f"script-{number}", times):
                    return str(rule["kind"])
        if asked.purpose == "run" and asked.marks.get("fail") is not None:
            return "400"
        mark = asked.marks.get("fault", asked.purpose)
        if mark is None:
            return ""
        kind, _, times = mark.partition("*")
        return kind if self._due(f"{asked.purpose}/{asked.goal}", int(times or 10**9)) else ""

    def _due(self, key: str, times: int) -> bool:
        if self.faulted[key] >= times:
            return False
        self.faulted[key] += 1
        self.counts["faults"] += 1
        return True

    def stats(self) -> Json:
        names = ("chat", "embeddings", "models", "faults", "in_flight", "aborted")
        return {name: self.counts[name] for name in names} | {"by_purpose": dict(self.purposes)}


class App:
    """The ASGI application."""

    def __init__(self, state: State) -> None:
        self.state = state

    async def __call__(self, scope: Json, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        path, method = scope["path"].rstrip("/"), scope["method"]
        body = await _body(receive)
        if method == "POST" and path == "/v1/chat/completions":
            await self._chat(body, receive, send)
        elif method == "POST" and path == "/v1/embeddings":
            await self._embeddings(json.loads(body), send)
        elif method == "POST" and path in ("/script", "/reset"):
            self._told(path, json.loads(body or b"{}"))
            await _json(send, {"ok": True})
        elif path in ("/stats", "/requests"):
            seen = self.state.stats() if path == "/stats" else list(self.state.requests)
            await _json(send, seen)
        elif path == "/v1/models":
            self.state.counts["models"] += 1
            model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "tests"}
            await _json(send, {"object": "list", "data": [model]})
        else:
            await _error(send, 404, f"There is no {path}.")

    def _told(self, path: str, told: Json) -> None:
        if path == "/reset":
            self.state.__init__()
        self.state.script = list(told.get("faults", self.state.script))
        self.state.texts = list(told.get("texts", self.state.texts))
        self.state.latency_ms = float(told.get("latency_ms", self.state.latency_ms))

    async def _embeddings(self, body: Json, send: Send) -> None:
        self.state.counts["embeddings"] += 1
        given = body["input"]
        texts = [given] if isinstance(given, str) else list(given)
        dim = int(body.get("dimensions") or DIMENSIONS)
        data = [
            {"object": "embedding", "index": i, "embedding": wire_brain.embedding(str(text), dim)}
            for i, text in enumerate(texts)
        ]
        tokens = sum(len(str(text).split()) for text in texts)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        await _json(
            send, {"object": "list", "model": body.get("model"), "data": data, "usage": usage}
        )

    async def _chat(self, raw: bytes, receive: Receive, send: Send) -> None:
        try:
            asked = wire_brain.read(json.loads(raw))
        except (ValueError, AttributeError, TypeError):
            await _error(send, 400, "The body is no chat request.")
            return
        state = self.state
        state.counts["chat"] += 1
        state.purposes[asked.purpose] += 1
        state.requests.append(asked.body)
        state.counts["in_flight"] += 1
        try:
            await self._answer(asked, receive, send)
        except Gone:
            state.counts["aborted"] += 1
        finally:
            state.counts["in_flight"] -= 1

    async def _answer(self, asked: Asked, receive: Receive, send: Send) -> None:
        latency_ms = float(asked.marks.get("latency", asked.purpose) or self.state.latency_ms)
        await _pause(latency_ms / 1000, receive)
        fault = self.state.fault(asked)
        if fault.isdigit():
            headers = [(b"retry-after", b"0")] if fault == "429" else []
            await _error(send, int(fault), f"Told to fail with {fault}.", headers)
            return
        if fault == "hang":
            await _pause(HANG_S, receive)
        texts = self.state.texts
        reply = Reply(text=texts.pop(0)) if texts else wire_brain.reply(asked)
        reply = _disturbed(reply, fault)
        if asked.body.get("stream") and fault != "whole":
            await _stream(asked, reply, fault, receive, send)
        else:
            await _whole(asked, reply, fault, send)


async def _pause(seconds: float, receive: Receive) -> None:
    """Wait, unless the client leaves."""
    if seconds <= 0:
        return
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return
    raise Gone


def _disturbed(reply: Reply, fault: str) -> Reply:
    if fault == "empty":
        return Reply()
    if fault == "badargs" and reply.calls:
        function = {**reply.calls[0]["function"], "arguments": '{"a": 1, "b": '}
        return Reply(calls=({**reply.calls[0], "function": function},), finish="tool_calls")
    if fault == "unknown" and reply.calls:
        function = {**reply.calls[0]["function"], "name": "no_such_tool"}
        return Reply(calls=({**reply.calls[0], "function": function},), finish="tool_calls")
    return reply


async def _whole(asked: Asked, reply: Reply, fault: str, send: Send) -> None:
    message: Json = {"role": "assistant", "content": reply.text or None, "refusal": None}
    if reply.calls:
        message["tool_calls"] = list(reply.calls)
    choice = {"index": 0, "message": message, "finish_reason": reply.finish, "logprobs": None}
    body = json.dumps(
        {
            **_head(asked, "chat.completion"),
            "choices": [choice],
            "usage": _usage(asked, reply),
        }
    ).encode()
    if fault == "badbody":
        body = body[: len(body) // 2]
    if fault == "drop":
        headers = [(b"content-type", b"application/json"), (b"content-length", b"100000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": True})
        raise Cut
    await _send(send, 200, body)


async def _stream(asked: Asked, reply: Reply, fault: str, receive: Receive, send: Send) -> None:
    head = _head(asked, "chat.completion.chunk")
    chunks: list[Json | None] = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        for delta in _deltas(reply)
    ]
    if fault in ("drop", "nofinish", "badbody"):
        chunks = chunks[: max(2, len(chunks) // 2)]
    else:
        last = {"index": 0, "delta": {}, "finish_reason": reply.finish}
        chunks.append({**head, "choices": [last]})
        if (asked.body.get("stream_options") or {}).get("include_usage"):
            chunks.append({**head, "choices": [], "usage": _usage(asked, reply)})
        chunks.append(None)
    headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    itl_ms = float(asked.marks.get("itl", asked.purpose) or 0)
    for number, chunk in enumerate(chunks):
        if fault == "stall" and number > 1:
            await _pause(HANG_S, receive)
        data = b"[DONE]" if chunk is None else json.dumps(chunk).encode()
        event = b"data: " + data + b"\n\n"
        await send({"type": "http.response.body", "body": event, "more_body": True})
        if itl_ms:
            await asyncio.sleep(itl_ms / 1000)
    if fault == "badbody":
        await send({"type": "http.response.body", "body": b"data: {\n\n", "more_body": True})
    if fault == "open":
        await _pause(HANG_S, receive)
    if fault == "drop":
        raise Cut
    await send({"type": "http.response.body", "body": b""})


def _deltas(reply: Reply) -> list[Json]:
    deltas: list[Json] = [{"role": "assistant", "content": None if reply.calls else ""}]
    for index, call in enumerate(reply.calls):
        function, text = call["function"], call["function"]["arguments"]
        first = {"name": function["name"], "arguments": ""}
        deltas.append({"tool_calls": [{**call, "index": index, "function": first}]})
        middle = len(text) // 2
        deltas += [
            {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
            for piece in (text[:middle], text[middle:])
        ]
    return deltas + [{"content": piece} for piece in re.findall(r"\s*\S+", reply.text)]


def _head(asked: Asked, kind: str) -> Json:
    model = asked.body.get("model", MODEL)
    return {"id": "chatcmpl-local", "object": kind, "created": 1_700_000_000, "model": model}


def _usage(asked: Asked, reply: Reply) -> Json:
    prompt = len(json.dumps(asked.body.get("messages")).split())
    said = reply.text + "".join(call["function"]["arguments"] for call in reply.calls)
    completion = len(said.split()) + 1
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


async def _lifespan(receive: Receive, send: Send) -> None:
    while (message := await receive())["type"] != "lifespan.shutdown":
        await send({"type": f"{message['type']}.complete"})
    await send({"type": "lifespan.shutdown.complete"})


async def _body(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return b"".join(chunks)


async def _error(
    send: Send, status: int, text: str, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    body = {"error": {"message": text, "type": "server_error", "code": None}}
    await _send(send, status, json.dumps(body).encode(), headers or [])


async def _json(send: Send, value: Any) -> None:
    await _send(send, 200, json.dumps(value).encode())


async def _send(
    send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    length = str(len(body)).encode()
    head = [(b"content-type", b"application/json"), (b"content-length", length), *(headers or [])]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})


class WireServer:
    """The server on a thread of this process, on a free port."""

    def __init__(self, *, latency_ms: float = 0.0) -> None:
        self.state = State(latency_ms=latency_ms)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._server = uvicorn.Server(_config(App(self.state)))
        self._thread = threading.Thread(target=self._serve, name="wire-server", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def requests(self) -> list[Json]:
        return list(self.state.requests)

    def script(self, *faults: Json) -> None:
        """Let calls fail: `{"kind": "429", "times": 1, "purpose": "run", "match": "…"}`."""
        self.state.script = list(faults)

    def say(self, *texts: str) -> None:
        """Let the next replies be these, whatever is asked."""
        self.state.texts = list(texts)

    def reset(self) -> None:
        self.state.__init__()

    def start(self) -> Self:
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise RuntimeError("The wire server did not start.")
            time.sleep(0.005)
        return self

    def stop(self) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(timeout=10)

    def _serve(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()


def _config(app: App, **options: Any) -> uvicorn.Config:
    # A dropped connection is an exception on purpose: what the server logs about it is noise.
    return uvicorn.Config(
        app, log_level="critical", access_log=False, timeout_graceful_shutdown=1, **options
    )


def main() -> None:
    """Serve until a signal ends it."""
    parser = argparse.ArgumentParser(description="An OpenAI-compatible server without a model.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    told = parser.parse_args()
    app = App(State(latency_ms=told.latency_ms))
    uvicorn.Server(_config(app, host=told.host, port=told.port)).run()


if __name__ == "__main__":
    main()
