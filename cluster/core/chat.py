"""Chat completions as tasks: what a request asks for, and what is told of the answer."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from cluster.core.errors import ChatInvalid
from cluster.core.types import Json

CLUSTER: Final = "loom-cluster"
"""The model that stands for the whole cluster; each agent's slug is a model too."""
MESSAGES_MAX: Final = 2_000
_SPOKEN = ("user", "assistant", "tool", "function")
_RULED = ("system", "developer")
# What belongs to the agent here, or has no meaning: taken, so that no client must be changed.
_LEFT_TO_THE_AGENT = frozenset({
    "frequency_penalty", "logit_bias", "max_completion_tokens", "max_tokens", "parallel_tool_calls",
    "prediction", "presence_penalty", "prompt_cache_key", "reasoning_effort", "safety_identifier",
    "seed", "service_tier", "stop", "store", "temperature", "tool_choice", "top_logprobs", "top_p",
    "user", "verbosity", "function_call", "prompt_cache_retention",
})  # fmt: skip
_UNDERSTOOD = frozenset({
    "model", "messages", "stream", "stream_options", "metadata", "response_format", "n", "tools",
    "functions", "logprobs", "modalities", "audio", "web_search_options",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A chat completion that can become a task.

    Attributes:
        agent: Slug of the agent; None for the cluster.
        rules: What the caller's system messages say.
        earlier: The conversation before the last message, as (role, text).
        schema: The JSON Schema that the answer must fit; None for free text.
    """

    model: str
    goal: str
    agent: str | None = None
    rules: str = ""
    earlier: tuple[tuple[str, str], ...] = ()
    stream: bool = False
    include_usage: bool = False
    metadata: Json = field(default_factory=dict[str, Any])
    schema: Json | None = None

    @property
    def session_id(self) -> str:
        return str(self.metadata.get("session_id") or "")

    def context(self, earlier: Sequence[tuple[str, str]]) -> str:
        """Return what the agent sees before the goal, with `earlier` as the conversation so far."""
        parts: list[str] = []
        if self.rules:
            parts.append(f"Instructions of the caller:\n{self.rules}")
        if earlier:
            said = "\n\n".join(f"{role}: {text}" for role, text in earlier)
            parts.append(f"The conversation so far:\n{said}")
        if self.schema is not None:
            shape = json.dumps(self.schema, ensure_ascii=False)
            parts.append(f"Answer with JSON alone, which fits this JSON Schema:\n{shape}")
        return "\n\n".join(parts)

    @property
    def checks(self) -> list[Json]:
        if self.schema is None:
            return []
        return [{"kind": "json_schema", "schema": self.schema, "required": True}]


def chat_read(body: object) -> ChatRequest:
    """Return what a request's body asks for.

    Raises:
        ChatInvalid: It asks for something that cannot be had; `field` names the parameter.
    """
    if not isinstance(body, dict):
        raise ChatInvalid("Send a JSON object with `model` and `messages`.")
    given = {key: value for key, value in cast("Json", body).items() if value is not None}
    _refuse(given)
    model = given.get("model")
    if not isinstance(model, str) or not model.strip():
        raise ChatInvalid(
            f"model: name an agent or {CLUSTER!r}; GET /v1/models lists them.", field="model"
        )
    rules, earlier, goal = _conversation(given.get("messages"))
    stream = _flag(given, "stream")
    options = given.get("stream_options", {})
    if not isinstance(options, dict) or (options and not stream):
        raise ChatInvalid(
            "stream_options is an object, and goes with `stream` only.", field="stream_options"
        )
    metadata = given.get("metadata", {})
    if not isinstance(metadata, dict):
        raise ChatInvalid("metadata must be an object.", field="metadata")
    return ChatRequest(
        model=model.strip(),
        agent=None if model.strip() == CLUSTER else model.strip(),
        goal=goal,
        rules=rules,
        earlier=earlier,
        stream=stream,
        include_usage=_flag(cast("Json", options), "include_usage"),
        metadata=cast("Json", metadata),
        schema=_schema(given.get("response_format", {})),
    )


class Telling:
    """What a client was told of an answer that grows: text that was sent cannot be taken back.

    A run that was taken over says its step again. What the client has is not sent twice; where the
    second telling differs, it follows behind an empty line.
    """

    def __init__(self) -> None:
        self._at: tuple[str, int] = ("", -1)
        self._said = ""
        self._sent = ""

    def add(self, *, teller: str, step: int, text: str) -> str:
        """Return what to send, now that `teller` has said `text` in a step."""
        before = ""
        if step != self._at[1]:
            before = "\n\n" if self._sent else ""
            self._said = self._sent = ""
        elif teller != self._at[0]:
            self._said = ""
        self._at = (teller, step)
        self._said += text
        if self._sent.startswith(self._said):
            return ""
        if not self._said.startswith(self._sent):
            before, self._sent = "\n\n", ""
        news, self._sent = self._said[len(self._sent) :], self._said
        return before + news

    def rest(self, answer: str) -> str:
        """Return what is left to send when the answer is known."""
        if answer.strip() == self._sent.strip():
            return ""
        if answer.startswith(self._sent):
            return answer[len(self._sent) :]
        return "\n\n" + answer if self._sent else answer


def _refuse(given: Mapping[str, Any]) -> None:
    """Refuse what would change the answer and cannot be done, and names that nobody knows."""
    surplus = sorted(set(given) - _UNDERSTOOD - _LEFT_TO_THE_AGENT)
    if surplus:
        name = surplus[0][:80]
        raise ChatInvalid(f"Unrecognized request argument supplied: {name}.", field=name)
    if given.get("n", 1) != 1:
        raise ChatInvalid("n must be 1: a task has one answer.", field="n")
    for name in ("tools", "functions"):
        if given.get(name):
            raise ChatInvalid(
                f"{name} of the caller cannot be called from here: give the agent its tools.",
                field=name,
            )
    if given.get("modalities", ["text"]) != ["text"] or "audio" in given:
        raise ChatInvalid("Answers are text only.", field="modalities")
    if given.get("logprobs") or given.get("web_search_options"):
        name = "logprobs" if given.get("logprobs") else "web_search_options"
        raise ChatInvalid(f"{name} is not offered here: leave it out.", field=name)


def _conversation(messages: object) -> tuple[str, tuple[tuple[str, str], ...], str]:
    if not isinstance(messages, list) or not messages:
        raise ChatInvalid("messages must be a list with at least one message.", field="messages")
    items = cast("list[object]", messages)
    if len(items) > MESSAGES_MAX:
        raise ChatInvalid(f"{len(items)} messages, at most {MESSAGES_MAX}.", field="messages")
    rules: list[str] = []
    said: list[tuple[str, str]] = []
    for index, item in enumerate(items):
        role, text = _message(item, f"messages[{index}]")
        if role in _RULED:
            rules.append(text)
        elif text or index == len(items) - 1:
            said.append((role, text))
    if not said or said[-1][0] != "user" or _role(items[-1]) not in ("user", *_RULED):
        raise ChatInvalid("The last message must be the user's: it is the goal.", field="messages")
    return "\n\n".join(rules), tuple(said[:-1]), said[-1][1]


def _message(item: object, at: str) -> tuple[str, str]:
    role = _role(item)
    if role not in (*_RULED, *_SPOKEN):
        known = ", ".join((*_RULED, *_SPOKEN))
        raise ChatInvalid(f"{at} must be an object whose role is one of {known}.", field=at)
    return role, _text(cast("Json", item).get("content"), f"{at}.content")


def _role(item: object) -> str:
    role = cast("Json", item).get("role") if isinstance(item, dict) else None
    return role if isinstance(role, str) else ""


def _text(content: object, at: str) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    pieces: list[str] = []
    for part in cast("list[object]", content) if isinstance(content, list) else [None]:
        fields = cast("Json", part) if isinstance(part, dict) else {}
        text = fields.get("text") if fields.get("type") == "text" else fields.get("refusal")
        if not isinstance(text, str):
            raise ChatInvalid(f"{at} must be text, or a list of parts of type text.", field=at)
        pieces.append(text)
    return "\n".join(pieces)


def _flag(given: Mapping[str, Any], name: str) -> bool:
    value = given.get(name, False)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise ChatInvalid(f"{name} must be true or false.", field=name)
    return value


def _schema(wanted: object) -> Json | None:
    fields = cast("Json", wanted) if isinstance(wanted, dict) else {}
    match fields.get("type", "text" if wanted == {} else None):
        case "text":
            return None
        case "json_object":
            return {"type": "object"}
        case "json_schema":
            named = fields.get("json_schema")
            schema = cast("Json", named).get("schema") if isinstance(named, dict) else None
            if isinstance(schema, dict):
                return cast("Json", schema)
        case _:
            pass
    raise ChatInvalid(
        "response_format is {'type': 'text'}, {'type': 'json_object'} or {'type': 'json_schema',"
        " 'json_schema': {'name': …, 'schema': {…}}}.",
        field="response_format",
    )
