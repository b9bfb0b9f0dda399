"""What becomes of calls that gave no answer: results and replies that say why."""

from dataclasses import dataclass, field
from typing import Literal

from agents.core.errors import (
    AgentsError,
    BudgetExceeded,
    CatalogueError,
    EndpointUnusable,
    ModelError,
    ModelIncapable,
    ModelReplyInvalid,
    ModelUnavailable,
)
from agents.core.types import Json, RunResult, Usage

Why = Literal["", "model cannot", "unavailable", "refused", "invalid", "over_budget", "unusable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonReply:
    """A value that fits the schema; without one, `why` is the reason and `message` says it.

    `model cannot`: it has no way to answer in a schema. `unavailable`: nobody answered, worth
    another try when `retryable`. `refused`: the endpoint will not. `invalid`: twice not what was
    asked for. `unusable`: no endpoint is set up as it should be.
    """

    value: Json | None
    why: Why = ""
    message: str = ""
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    retryable: bool = False


def not_begun(error: CatalogueError | ModelError) -> RunResult:
    """Return the result of a run that had no model to begin with."""
    unavailable = isinstance(error, ModelUnavailable)
    return RunResult(
        stop="unavailable" if unavailable else "failed",
        error_code=error.code,
        error_message=str(error),
        retry_after_s=error.retry_after_s if unavailable else None,
    )


def no_json(error: AgentsError, *, model: str) -> JsonReply:
    """Return the reply of a call that gave no value."""
    match error:
        case BudgetExceeded():
            why: Why = "over_budget"
        case ModelUnavailable():
            why = "unavailable"
        case ModelIncapable():
            why = "model cannot"
        case ModelReplyInvalid():
            why = "invalid"
        case EndpointUnusable():
            why = "unusable"
        case _:
            why = "refused"
    return JsonReply(
        value=None, why=why, message=str(error), model=model, retryable=error.retryable
    )
