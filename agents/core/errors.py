"""What can go wrong in an agent's run.

AgentsError
├── ToolRetry            the model sees it and tries again, within a limit
├── ToolFailed           the model sees it and moves on
├── ModelError           a model call that did not give a usable reply
│   ├── ModelUnavailable   nobody answered (connection, 5xx, 429, open circuit, deadline): not the
│   │                      agent's fault, worth another try later
│   ├── ModelRefused       the endpoint rejected the request (4xx): trying again gives the same
│   └── ModelReplyInvalid  it answered, and the answer cannot be used (cut stream, empty, no JSON)
├── BudgetExceeded       money, tokens, steps or time have run out
├── PolicyDenied         the gate said no
├── RunSuspended         the run waits for somebody: a person, or child tasks
└── RunCancelled         somebody asked for the run to stop
"""

from dataclasses import dataclass, field


@dataclass(eq=False)
class AgentsError(Exception):
    """Base of every error of the agent runtime; `code` is stable, `retryable` says if waiting
    helps."""

    message: str = ""
    code: str = field(default="agents.error", kw_only=True)
    retryable: bool = field(default=False, kw_only=True)

    def __str__(self) -> str:
        return self.message or self.code


@dataclass(eq=False)
class ToolRetry(AgentsError):
    code: str = field(default="agents.tool_retry", kw_only=True)


@dataclass(eq=False)
class ToolFailed(AgentsError):
    code: str = field(default="agents.tool_failed", kw_only=True)


@dataclass(eq=False)
class ModelError(AgentsError):
    code: str = field(default="agents.model_error", kw_only=True)


@dataclass(eq=False)
class ModelUnavailable(ModelError):
    code: str = field(default="agents.model_unavailable", kw_only=True)
    retryable: bool = field(default=True, kw_only=True)
    retry_after_s: float | None = field(default=None, kw_only=True)


@dataclass(eq=False)
class ModelRefused(ModelError):
    code: str = field(default="agents.model_refused", kw_only=True)
    status: int | None = field(default=None, kw_only=True)


@dataclass(eq=False)
class ModelReplyInvalid(ModelError):
    code: str = field(default="agents.model_reply_invalid", kw_only=True)


@dataclass(eq=False)
class BudgetExceeded(AgentsError):
    """`limit` names what ran out: steps, tokens, cost, time."""

    code: str = field(default="agents.budget_exceeded", kw_only=True)
    limit: str = field(default="", kw_only=True)


@dataclass(eq=False)
class PolicyDenied(AgentsError):
    code: str = field(default="agents.policy_denied", kw_only=True)


@dataclass(eq=False)
class RunSuspended(AgentsError):
    """`suspension` is an `agents.core.types.Suspension`."""

    code: str = field(default="agents.run_suspended", kw_only=True)
    suspension: object = field(default=None, kw_only=True)


@dataclass(eq=False)
class RunCancelled(AgentsError):
    code: str = field(default="agents.run_cancelled", kw_only=True)
