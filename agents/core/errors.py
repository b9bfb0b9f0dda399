"""What can go wrong in an agent's run.

AgentsError
├── ToolRetry            the model sees it and tries again, within a limit
├── ToolFailed           the model sees it and moves on
├── ModelError           a model call that did not give a usable reply
│   ├── ModelUnavailable   nobody answered (connection, 5xx, 429, open circuit, deadline): not the
│   │                      agent's fault, worth another try later
│   ├── ModelRefused       the endpoint rejected the request (4xx): trying again gives the same
│   ├── ModelReplyInvalid  it answered, and the answer cannot be used (cut stream, empty, no JSON)
│   ├── ModelDeclined      it, or its filter, will not answer this
│   └── ModelIncapable     its profile says that it cannot do what was asked; nothing was sent
├── BudgetExceeded       money, tokens, steps or time have run out
├── SkillInvalid         a SKILL.md or its folder cannot be used; says why
├── RunLooping           the model makes the same call again and again
├── RunSuspended         the run waits for somebody: a person, or child tasks
├── RunCancelled         somebody asked for the run to stop
└── CatalogueError       what an operator or a door asked for cannot be; `status` is HTTP's
    ├── NotFound           no such row, or another workspace's: the same answer
    ├── SlugTaken          the workspace has one of that name
    ├── ReadOnly           it comes from the environment and is changed there
    ├── AlreadyAnswered    the question was answered before
    └── EndpointUnusable   no model chosen, an address not allowed, a secret unreadable
"""

from dataclasses import dataclass, field


@dataclass(eq=False)
class AgentsError(Exception):
    """Base of every error of the runtime; `code` is stable, `retryable` says if waiting helps."""

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
class ModelDeclined(ModelError):
    code: str = field(default="agents.model_declined", kw_only=True)


@dataclass(eq=False)
class ModelIncapable(ModelError):
    code: str = field(default="agents.model_incapable", kw_only=True)


@dataclass(eq=False)
class SkillInvalid(AgentsError):
    code: str = field(default="agents.skill_invalid", kw_only=True)


@dataclass(eq=False)
class RunLooping(AgentsError):
    code: str = field(default="agents.run_looping", kw_only=True)


@dataclass(eq=False)
class BudgetExceeded(AgentsError):
    """`limit` names what ran out: steps, tokens, cost, time."""

    code: str = field(default="agents.budget_exceeded", kw_only=True)
    limit: str = field(default="", kw_only=True)


@dataclass(eq=False)
class RunSuspended(AgentsError):
    """`suspension` is an `agents.core.types.Suspension`."""

    code: str = field(default="agents.run_suspended", kw_only=True)
    suspension: object = field(default=None, kw_only=True)


@dataclass(eq=False)
class RunCancelled(AgentsError):
    code: str = field(default="agents.run_cancelled", kw_only=True)


@dataclass(eq=False)
class CatalogueError(AgentsError):
    """Base of what doors render as a problem."""

    code: str = field(default="agents.catalogue_error", kw_only=True)
    status: int = field(default=400, kw_only=True)


@dataclass(eq=False)
class NotFound(CatalogueError):
    """`kind` says what was looked for: an agent, an endpoint, an approval."""

    code: str = field(default="agents.not_found", kw_only=True)
    status: int = field(default=404, kw_only=True)
    kind: str = field(default="row", kw_only=True)
    name: str = field(default="", kw_only=True)

    def __str__(self) -> str:
        return self.message or f"There is no {self.kind} {self.name[:80]!r} here."


@dataclass(eq=False)
class SlugTaken(CatalogueError):
    code: str = field(default="agents.slug_taken", kw_only=True)
    status: int = field(default=409, kw_only=True)
    kind: str = field(default="row", kw_only=True)
    slug: str = field(default="", kw_only=True)

    def __str__(self) -> str:
        return self.message or f"The {self.kind} {self.slug!r} exists already: choose another name."


@dataclass(eq=False)
class ReadOnly(CatalogueError):
    code: str = field(default="agents.read_only", kw_only=True)
    status: int = field(default=409, kw_only=True)


@dataclass(eq=False)
class AlreadyAnswered(CatalogueError):
    code: str = field(default="agents.already_answered", kw_only=True)
    status: int = field(default=409, kw_only=True)


@dataclass(eq=False)
class EndpointUnusable(CatalogueError):
    code: str = field(default="agents.endpoint_unusable", kw_only=True)
    status: int = field(default=409, kw_only=True)
