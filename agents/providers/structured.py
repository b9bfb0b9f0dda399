"""Replies that fit a JSON Schema, or a clear failure."""

import asyncio
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from agents.core.asking import was_answered
from agents.core.budget import cost_usd
from agents.core.errors import ModelError, ModelIncapable, ModelReplyInvalid
from agents.core.ports import ModelProvider, ModelReply, ModelRequest, Wallet
from agents.core.tokens import usage_estimated
from agents.core.types import Json, Message, Usage

ATTEMPTS = 2  # the second is the repair
MAX_PROBLEMS = 5
MAX_REPLY_SHOWN = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonReply:
    """A value that fits the schema, and what it took."""

    value: Json
    usage: Usage
    model: str


async def complete_json(
    provider: ModelProvider,
    messages: Sequence[Message],
    schema: Json,
    *,
    schema_name: str = "reply",
    timeout_s: float = 60.0,
    max_tokens: int | None = None,
    wallet: Wallet | None = None,
    key: str = "",
) -> JsonReply:
    """Return the model's reply as an object that fits the schema.

    A model that takes no schema is shown it in words. A reply that does not fit is shown its faults
    and asked for once more. With a wallet goes a `key`, under which it keeps what it reserved.

    Raises:
        ModelIncapable: The provider is no language model; nothing was sent.
        ModelReplyInvalid: Neither reply fits; says why.
        ModelUnavailable, ModelRefused: As any call.
        BudgetExceeded: From the wallet.
    """
    profile = provider.profile
    if not (profile.json_schema or profile.judging):
        raise ModelIncapable(f"{provider.model!r} cannot fill in a form: it is no language model.")
    if not profile.json_schema:
        messages = [*messages, _in_words(schema)]
    used, problems = Usage(), ""
    for attempt in range(ATTEMPTS):
        request = ModelRequest(
            messages=messages,
            json_schema=schema if profile.json_schema else None,
            schema_name=schema_name,
            max_tokens=max_tokens,
            timeout_s=timeout_s,
        )
        reply = await _paid(provider, request, wallet, f"{key}:{attempt}")
        used += reply.usage
        value, problems = _read(reply.message.content, schema)
        if value is not None:
            return JsonReply(value=value, usage=used, model=reply.model)
        said = Message(role="assistant", content=reply.message.content[:MAX_REPLY_SHOWN] or "{}")
        correction = f"That cannot be used: {problems} Reply with the corrected JSON object alone."
        messages = [*messages, said, Message(role="user", content=correction)]
    raise ModelReplyInvalid(f"The reply does not fit the schema, not even corrected: {problems}")


def problems_of(value: object, schema: Json) -> str:
    """Return in words what keeps a value from fitting a schema; empty when it fits."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415 -- 10 MB, for those who need it

    found = sorted(
        cast("Any", Draft202012Validator(schema)).iter_errors(value),
        key=lambda error: [str(part) for part in error.absolute_path],
    )
    return " ".join(
        f"{'/'.join(str(part) for part in error.absolute_path) or 'The reply'}: {error.message}."
        for error in found[:MAX_PROBLEMS]
    )


def object_in(text: str) -> Json | None:
    """Return the first JSON object in a text, around which a model may have put words or fences.

    `NaN` and `Infinity` are no JSON, and pass any limit that a schema sets.
    """
    decoder = json.JSONDecoder(parse_constant=_not_json, parse_float=_finite)
    at = text.find("{")
    while at >= 0:
        try:
            value, _ = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            at = text.find("{", at + 1)
            continue
        return cast("Json", value)
    return None


def _not_json(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    return value if math.isfinite(value) else _not_json(digits)


def _read(text: str, schema: Json) -> tuple[Json | None, str]:
    value = object_in(text)
    if value is None:
        return None, "there is no JSON object in the reply."
    problems = problems_of(value, schema)
    return (None, problems) if problems else (value, "")


def _in_words(schema: Json) -> Message:
    asked = "Reply with one JSON object alone that fits this JSON Schema:"
    return Message(role="user", content=f"{asked}\n{json.dumps(schema)}")


async def _paid(
    provider: ModelProvider, request: ModelRequest, wallet: Wallet | None, key: str
) -> ModelReply:
    if wallet is None:
        return await provider.complete(request)
    await wallet.reserve(key=key, request=request, profile=provider.profile)
    used, served = Usage(), None
    try:
        reply = await provider.complete(request)
        used, served = reply.usage, reply.served
    except (ModelError, asyncio.CancelledError) as error:
        if was_answered(error):
            used = usage_estimated(request, "", provider.count)
            used = replace(used, cost_usd=cost_usd(provider.profile, used))
        raise
    finally:
        await wallet.settle(key=key, usage=used, served=served)
    return reply
