"""The OpenAI wire format: messages and tools out, replies and stream chunks in."""

import json
from collections.abc import Sequence
from typing import Any, cast

from agents.core.errors import ModelReplyInvalid
from agents.core.ports import ModelDelta, ModelRequest
from agents.core.types import Json, Message, ToolCall, ToolSpec, Usage

_OPENAI_REASONING = ("o1", "o3", "o4", "gpt-5")
THINK_OPEN, THINK_CLOSE = "<think>", "</think>"


def message_wire(message: Message) -> Json:
    """Return a message as it is sent; reasoning is never sent back."""
    match message.role:
        case "assistant" if message.tool_calls:
            return {
                "role": "assistant",
                "content": message.content or None,
                "tool_calls": [
                    {
                        "id": call.id,
                        "type": "function",
                        "function": {"name": call.name, "arguments": call.arguments},
                    }
                    for call in message.tool_calls
                ],
            }
        case "tool":
            return {
                "role": "tool",
                "tool_call_id": message.tool_call_id,
                "content": message.content,
            }
        case _:
            return {"role": message.role, "content": message.content}


def tools_wire(tools: Sequence[ToolSpec]) -> list[Json]:
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
            },
        }
        for tool in tools
    ]


def options_wire(request: ModelRequest, model: str) -> Json:
    """Return what of a request is neither model, messages nor tools.

    OpenAI's reasoning models know their length limit by another name and take no temperature.
    """
    options: Json = {}
    thinks = model.startswith(_OPENAI_REASONING)
    if request.json_schema is not None:
        options["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": request.schema_name, "schema": request.json_schema},
        }
    if request.temperature is not None and not thinks:
        options["temperature"] = request.temperature
    if request.max_tokens is not None:
        options["max_completion_tokens" if thinks else "max_tokens"] = request.max_tokens
    return options


def loads(raw: bytes) -> Json:
    """Return the JSON object in a body or chunk.

    Raises:
        ModelReplyInvalid: It is something else, or cut.
    """
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError):
        raise ModelReplyInvalid(f"The reply is no JSON: {raw[:80]!r}") from None
    if not isinstance(data, dict):
        raise ModelReplyInvalid(f"The reply is no JSON object: {raw[:80]!r}")
    return cast("Json", data)


def usage_of(data: Json) -> Usage | None:
    """Return the tokens that a reply reports, without money; None when it reports none."""
    usage = data.get("usage")
    if not isinstance(usage, dict):
        return None
    counts = cast("Json", usage)
    prompt: Json = counts.get("prompt_tokens_details") or {}
    completion: Json = counts.get("completion_tokens_details") or {}
    return Usage(
        prompt_tokens=counts.get("prompt_tokens") or 0,
        completion_tokens=counts.get("completion_tokens") or 0,
        cached_tokens=prompt.get("cached_tokens") or 0,
        reasoning_tokens=completion.get("reasoning_tokens") or 0,
    )


def reply_of(data: Json) -> tuple[Message, str]:
    """Return the message and finish reason of a whole reply.

    Raises:
        ModelReplyInvalid: It has no choice to take.
    """
    try:
        choice = data["choices"][0]
        said: Json = choice["message"]
        calls = tuple(_call(index, call) for index, call in enumerate(said.get("tool_calls") or ()))
    except (KeyError, IndexError, TypeError, AttributeError):
        error = data.get("error")
        raise ModelReplyInvalid(f"The reply has no message: {error or list(data)}") from None
    content = _text(said.get("content"))
    reasoning = _text(said.get("reasoning_content") or said.get("reasoning"))
    finish = choice.get("finish_reason") or ("tool_calls" if calls else "stop")
    if not content and not calls and said.get("refusal"):
        content, finish = _text(said["refusal"]), "content_filter"
    if content.lstrip().startswith(THINK_OPEN):
        thought, _, content = content.lstrip()[len(THINK_OPEN) :].partition(THINK_CLOSE)
        reasoning, content = reasoning + thought.strip(), content.lstrip()
    message = Message(role="assistant", content=content, tool_calls=calls, reasoning=reasoning)
    return message, finish


class StreamAssembler:
    """Put a streamed reply together, chunk by chunk."""

    __slots__ = ("_calls", "_reasoning", "_slots", "_text", "_think", "finish", "model", "usage")

    def __init__(self) -> None:
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[list[str]] = []  # id, name, arguments
        self._slots: dict[int, int] = {}  # the wire's index → place in _calls
        self._think = _ThinkSplitter()
        self.finish = ""
        self.model = ""
        self.usage: Usage | None = None

    def add(self, chunk: Json) -> list[ModelDelta]:
        """Take in a chunk and return what is new in it.

        Raises:
            ModelReplyInvalid: It is an error message or has no known shape.
        """
        if chunk.get("usage"):
            self.usage = usage_of(chunk)
        choices = chunk.get("choices")
        if not choices:
            if chunk.get("error"):
                raise ModelReplyInvalid(f"The stream broke off: {chunk['error']}")
            return []
        try:
            choice = choices[0]
            delta: Json = choice.get("delta") or {}
            if choice.get("finish_reason"):
                self.finish = choice["finish_reason"]
            if not self.model:
                self.model = chunk.get("model") or ""
            return self._deltas(delta)
        except (KeyError, IndexError, TypeError, AttributeError):
            raise ModelReplyInvalid(f"A chunk has no known shape: {str(chunk)[:80]}") from None

    def _deltas(self, delta: Json) -> list[ModelDelta]:
        deltas: list[ModelDelta] = []
        if thought := delta.get("reasoning_content") or delta.get("reasoning"):
            self._reasoning.append(thought)
            deltas.append(ModelDelta(reasoning=thought))
        if content := delta.get("content"):
            if self._think.done:
                self._text.append(content)
                deltas.append(ModelDelta(text=content))
            else:
                deltas += self._split(*self._think.split(content))
        if refusal := delta.get("refusal"):
            self._text.append(refusal)
            self.finish = "content_filter"
        for call in delta.get("tool_calls") or ():
            deltas.append(self._add_call(call))
        return deltas

    def _split(self, thought: str, text: str) -> list[ModelDelta]:
        if thought:
            self._reasoning.append(thought)
        if text:
            self._text.append(text)
        return [ModelDelta(text=text, reasoning=thought)] if text or thought else []

    def _add_call(self, call: Json) -> ModelDelta:
        function: Json = call.get("function") or {}
        index, call_id = call.get("index") or 0, call.get("id") or ""
        name, arguments = function.get("name") or "", function.get("arguments") or ""
        place = self._slots.get(index)
        # Some vendors give every parallel call index 0: a new id is a new call.
        if place is None or (call_id and name and self._calls[place][0] != call_id):
            place = self._slots[index] = len(self._calls)
            self._calls.append([call_id or f"call_{place}", name, arguments])
            return ModelDelta(
                call_id=self._calls[place][0], call_name=name, call_arguments=arguments
            )
        self._calls[place][2] += arguments
        return ModelDelta(call_id=self._calls[place][0], call_arguments=arguments)

    def end(self) -> list[ModelDelta]:
        """Return what was held back until it was clear that it is no thought."""
        return self._split(*self._think.end())

    def message(self) -> Message:
        """Return the whole reply.

        Raises:
            ModelReplyInvalid: The stream ended without a finish reason.
        """
        if not self.finish:
            raise ModelReplyInvalid("The stream ended without a finish reason.")
        return Message(
            role="assistant",
            content="".join(self._text),
            reasoning="".join(self._reasoning),
            tool_calls=tuple(
                ToolCall(id=call_id, name=name, arguments=arguments)
                for call_id, name, arguments in self._calls
            ),
        )


class _ThinkSplitter:
    """Keep a thought that opens the text (`<think>…</think>`) out of the answer."""

    __slots__ = ("_held", "_inside", "done")

    def __init__(self) -> None:
        self._held, self._inside, self.done = "", False, False

    def split(self, text: str) -> tuple[str, str]:
        """Return the (thought, answer) that is certain by now."""
        self._held += text
        if not self._inside:
            start = self._held.lstrip()
            if THINK_OPEN.startswith(start):
                return "", ""
            if not start.startswith(THINK_OPEN):
                return "", self._release()
            self._inside, self._held = True, start[len(THINK_OPEN) :]
        thought, closed, answer = self._held.partition(THINK_CLOSE)
        if closed:
            self.done, self._held = True, ""
            return thought, answer.lstrip()
        # The end of what is held may be the beginning of the closing tag.
        keep = next(
            (n for n in range(len(THINK_CLOSE), 0, -1) if self._held.endswith(THINK_CLOSE[:n])), 0
        )
        thought, self._held = self._held[: len(self._held) - keep], self._held[-keep:] * bool(keep)
        return thought, ""

    def _release(self) -> str:
        text, self._held, self.done = self._held, "", True
        return text

    def end(self) -> tuple[str, str]:
        if self.done or not self._held:
            return "", ""
        text = self._release()
        return (text, "") if self._inside else ("", text)


def _call(index: int, call: Json) -> ToolCall:
    function: Json = call["function"]
    arguments = function.get("arguments")
    if not isinstance(arguments, str):  # some local servers send the object itself
        arguments = json.dumps(arguments or {})
    return ToolCall(
        id=call.get("id") or f"call_{index}", name=str(function["name"]), arguments=arguments
    )


def _text(content: Any) -> str:  # noqa: ANN401 -- text, null or a list of parts
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = cast("list[Any]", content)
        return "".join(
            str(cast("Json", part).get("text") or "") for part in parts if isinstance(part, dict)
        )
    return ""
