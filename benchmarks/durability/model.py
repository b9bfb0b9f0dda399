"""A model server for the chaos check: it answers the same question alike, after a while.

    python -m benchmarks.durability.model --port 9300 --latency-ms 300

It speaks as much of the OpenAI wire format as a run needs: whole and streamed replies, and JSON for
the cluster's own questions.
"""

import argparse
import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

MODEL = "durable"


def reply_to(body: dict[str, Any]) -> str:
    """Return what the model says: a function of the question alone."""
    question = next(m["content"] for m in reversed(body["messages"]) if m["role"] == "user")
    digest = hashlib.sha256(question.encode()).hexdigest()
    wanted = (body.get("response_format") or {}).get("json_schema") or {}
    properties = (wanted.get("schema") or {}).get("properties") or {}
    if "score" in properties:
        return json.dumps({"score": 0.5 + int(digest[:2], 16) / 512, "comment": "as it is"})
    if "complexity" in properties:
        kinds = properties["domain"]["enum"]
        return json.dumps(
            {
                "complexity": 0.3,
                "confidence": 0.8,
                "domain": kinds[int(digest[:4], 16) % len(kinds)],
                "tools": [],
            }
        )
    return f"Answer {digest[:16]} to a question of {len(question)} characters."


def application(latency_s: float) -> Starlette:
    """Return the server."""

    async def chat(request: Request) -> Response:
        body = await request.json()
        await asyncio.sleep(latency_s)
        text = reply_to(body)
        usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
        head = {"id": "chatcmpl-1", "created": 1_700_000_000, "model": body.get("model", MODEL)}
        if body.get("stream"):
            return StreamingResponse(_pieces(head, text, usage), media_type="text/event-stream")
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return JSONResponse(
            {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
        )

    async def models(_request: Request) -> Response:
        model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "benchmarks"}
        return JSONResponse({"object": "list", "data": [model]})

    routes = [
        Route("/v1/chat/completions", chat, methods=["POST"]),
        Route("/v1/models", models),
    ]
    return Starlette(routes=routes)


async def _pieces(head: dict[str, Any], text: str, usage: dict[str, int]) -> AsyncIterator[str]:
    def event(**fields: object) -> str:
        return f"data: {json.dumps({**head, 'object': 'chat.completion.chunk', **fields})}\n\n"

    for word in text.split(" "):
        delta = {"content": word if word == "Answer" else f" {word}"}
        yield event(choices=[{"index": 0, "delta": delta, "finish_reason": None}])
    yield event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
    yield event(choices=[], usage=usage)
    yield "data: [DONE]\n\n"


def main() -> None:
    """Serve until a signal ends it."""
    parser = argparse.ArgumentParser(description="A model server for the chaos check.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--latency-ms", type=float, default=300.0)
    told = parser.parse_args()
    uvicorn.run(
        application(told.latency_ms / 1000), host="127.0.0.1", port=told.port, log_level="warning"
    )


if __name__ == "__main__":
    main()
