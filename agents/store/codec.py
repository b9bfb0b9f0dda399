"""Messages of a transcript as JSON and back."""

from typing import Any

from agents.core.types import Message, ToolCall


def message_to_json(message: Message) -> dict[str, Any]:
    """Return a message as JSON, without the fields that are empty."""
    written: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        written["tool_calls"] = [
            {"id": call.id, "name": call.name, "arguments": call.arguments}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        written["tool_call_id"] = message.tool_call_id
    if message.reasoning:
        written["reasoning"] = message.reasoning
    return _storable(written)


def message_from_json(written: dict[str, Any]) -> Message:
    """Return the message that `message_to_json` was given."""
    return Message(
        role=written["role"],
        content=written["content"],
        tool_calls=tuple(ToolCall(**call) for call in written.get("tool_calls", ())),
        tool_call_id=written.get("tool_call_id"),
        reasoning=written.get("reasoning", ""),
    )


def storable(text: str) -> str:
    """Return text as Postgres can keep it: models and tools may write what it cannot."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def _storable(value: Any) -> Any:  # noqa: ANN401 -- any JSON
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {_storable(name): _storable(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(inner) for inner in value]
    return value


json_storable = _storable
