"""Tool calls for models that have none: one JSON reply, or ReAct text where even that is missing.

Source: Yao et al., "ReAct: Synergizing Reasoning and Acting in Language Models", 2022.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

from agents.core.ports import ModelDelta, ModelReply, ModelRequest
from agents.core.types import Json, Message, ModelProfile, ToolCall, ToolSpec

ANSWER = "answer"
_ACTION = re.compile(r"^\s*Action:\s*(?P<tool>[\w.-]+)\s*$", re.MULTILINE)
_INPUT = re.compile(r"^\s*Action Input:\s*", re.MULTILINE)
_FINAL = re.compile(r"^\s*Final Answer:\s*", re.MULTILINE)
_AS_JSON = """You can use these tools:
{tools}
Reply with one JSON object: {{"tool": name, "args": {{…}}}} calls a tool, and \
its result comes back to you; {{"tool": "answer", "args": {{"text": "…"}}}} gives your answer."""
_AS_TEXT = """You can use these tools:
{tools}
To use one, end your reply with these two lines and nothing behind them; its result comes \
back to you:
Action: name of the tool
Action Input: its arguments as one JSON object
When you know the answer, reply with:
Final Answer: the answer"""


def without_tools(request: ModelRequest, profile: ModelProfile) -> ModelRequest:
    """Return the same request for a model that knows no tools, its history as plain turns."""
    tools = "\n".join(
        f"- {tool.name}: {tool.description} Arguments: {json.dumps(tool.parameters)}"
        for tool in request.tools
    )
    template = _AS_JSON if profile.json_schema else _AS_TEXT
    system = Message(role="system", content=template.format(tools=tools))
    messages = _merged(
        [system, *(_plain(m, as_json=profile.json_schema) for m in request.messages)]
    )
    schema = _schema(request.tools) if profile.json_schema else None
    return replace(
        request, messages=messages, tools=(), json_schema=schema, schema_name="tool_call"
    )


def with_calls(reply: ModelReply, request: ModelRequest) -> ModelReply:
    """Return the reply with the call that its text stands for; what is no call is the answer."""
    text = reply.message.content
    found = _json_call(text) or _text_call(text)
    if found is None:
        final = _FINAL.split(text, maxsplit=1)
        return replace(reply, message=replace(reply.message, content=final[-1].strip()))
    name, args = found
    if name == ANSWER and not any(tool.name == ANSWER for tool in request.tools):
        answer: Any = cast("Json", args).get("text", args) if isinstance(args, dict) else args
        text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
        return replace(reply, message=replace(reply.message, content=text))
    arguments = args if isinstance(args, str) else json.dumps(args, ensure_ascii=False)
    call = ToolCall(id="call_0", name=name, arguments=arguments)
    message = replace(reply.message, content="", tool_calls=(call,))
    return replace(reply, message=message, finish_reason="tool_calls")


def deltas(reply: ModelReply) -> Iterator[ModelDelta]:
    """Yield a whole reply as a stream."""
    message = reply.message
    if message.reasoning:
        yield ModelDelta(reasoning=message.reasoning)
    if message.content:
        yield ModelDelta(text=message.content)
    for call in message.tool_calls:
        yield ModelDelta(call_id=call.id, call_name=call.name, call_arguments=call.arguments)
    yield ModelDelta(reply=reply)


def _schema(tools: Sequence[ToolSpec]) -> Json:
    names = [*(tool.name for tool in tools), ANSWER]
    return {
        "type": "object",
        "properties": {
            "tool": {"type": "string", "enum": names},
            "args": {"type": "object"},
        },
        "required": ["tool", "args"],
    }


def _plain(message: Message, *, as_json: bool) -> Message:
    """Return a turn without tool calls, in the form the model is asked to write."""
    if message.role == "tool":
        return Message(role="user", content=f"Observation: {message.content}")
    if not message.tool_calls:
        return message
    written = [message.content] if message.content else []
    for call in message.tool_calls:
        if as_json:
            written.append(f'{{"tool": {json.dumps(call.name)}, "args": {call.arguments}}}')
        else:
            written.append(f"Action: {call.name}\nAction Input: {call.arguments}")
    return Message(role="assistant", content="\n".join(written))


def _merged(messages: Sequence[Message]) -> list[Message]:
    """Return the turns with neighbours of one role put together: many templates insist on it."""
    merged: list[Message] = []
    for message in messages:
        if merged and merged[-1].role == message.role:
            content = f"{merged[-1].content}\n\n{message.content}"
            merged[-1] = replace(merged[-1], content=content)
        else:
            merged.append(message)
    return merged


def _json_call(text: str) -> tuple[str, Any] | None:
    start = text.find("{")
    if start < 0:
        return None
    try:
        found, _ = json.JSONDecoder().raw_decode(text[start:])
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    call = cast("Json", found)
    name = call.get("tool")
    return (name, call.get("args") or {}) if isinstance(name, str) else None


def _text_call(text: str) -> tuple[str, Any] | None:
    action = _ACTION.search(text)
    if action is None:
        return None
    given = _INPUT.search(text, action.end())
    if given is None:
        return action["tool"], "{}"
    rest = text[given.end() :].strip()
    try:
        args, _ = json.JSONDecoder().raw_decode(rest)
    except ValueError:
        return action["tool"], rest
    return action["tool"], args
