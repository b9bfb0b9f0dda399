"""What can go wrong with access, and what each door says about it.

AccessError
├── NotAuthenticated     no key, or one that does not open anything
├── ScopeMissing         the key is good, and not for this
├── WorkspaceUnknown     no such workspace, or not one of the caller's: the same answer
├── WorkspaceAmbiguous   a person with several workspaces named none
├── WorkspaceTaken       the slug is in use
├── KeyUnknown           no such key, or another workspace's: the same answer
├── InputInvalid         a value that cannot be stored or understood; `errors` names the fields
├── CursorInvalid        a cursor this server did not hand out
├── BodyTooLarge         a request body above the door's limit
└── RateLimited          too many requests; `retry_after_s` says when to come back
"""

from dataclasses import dataclass, field
from typing import Protocol, Self, runtime_checkable


@runtime_checkable
class Stated(Protocol):
    """An error that any door can render: cluster, knowledge and agents have their own trees."""

    code: str
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """What is wrong with one field; nested fields are joined by dots."""

    field: str
    message: str


@dataclass(eq=False)
class AccessError(Exception):
    """Base of every error of access; `status` is the HTTP status that fits it."""

    message: str = ""
    code: str = field(default="access.error", kw_only=True)
    status: int = field(default=400, kw_only=True)
    retryable: bool = field(default=False, kw_only=True)

    def __str__(self) -> str:
        return self.message or self.code


@dataclass(eq=False)
class NotAuthenticated(AccessError):
    message: str = "Send a valid API key: Authorization: Bearer lk_<prefix>_<secret>."
    code: str = field(default="access.not_authenticated", kw_only=True)
    status: int = field(default=401, kw_only=True)


@dataclass(eq=False)
class ScopeMissing(AccessError):
    code: str = field(default="access.scope_missing", kw_only=True)
    status: int = field(default=403, kw_only=True)
    scope: str = field(default="", kw_only=True)

    def __str__(self) -> str:
        return self.message or f"This needs the scope {self.scope!r}, which the key does not have."


@dataclass(eq=False)
class WorkspaceUnknown(AccessError):
    code: str = field(default="access.workspace_unknown", kw_only=True)
    status: int = field(default=404, kw_only=True)
    slug: str = field(default="", kw_only=True)

    def __str__(self) -> str:
        return self.message or f"There is no workspace {self.slug!r}."


@dataclass(eq=False)
class WorkspaceAmbiguous(AccessError):
    message: str = "Say which workspace you mean: X-Loom-Workspace: <slug>."
    code: str = field(default="access.workspace_ambiguous", kw_only=True)


@dataclass(eq=False)
class WorkspaceTaken(AccessError):
    code: str = field(default="access.workspace_taken", kw_only=True)
    status: int = field(default=409, kw_only=True)
    slug: str = field(default="", kw_only=True)

    def __str__(self) -> str:
        return self.message or f"There is a workspace {self.slug!r} already."


@dataclass(eq=False)
class KeyUnknown(AccessError):
    message: str = "There is no such API key."
    code: str = field(default="access.key_unknown", kw_only=True)
    status: int = field(default=404, kw_only=True)


@dataclass(eq=False)
class InputInvalid(AccessError):
    message: str = "The request has invalid values."
    code: str = field(default="access.input_invalid", kw_only=True)
    errors: tuple[FieldError, ...] = field(default=(), kw_only=True)

    @classmethod
    def of(cls, name: str, message: str, *, detail: str = "") -> Self:
        """Return the error of one field; `detail` is the sentence where the name helps nobody."""
        error = FieldError(field=name, message=message)
        return cls(detail or f"{name}: {message}", errors=(error,))


@dataclass(eq=False)
class CursorInvalid(AccessError):
    message: str = "This cursor was not handed out here: start again without one."
    code: str = field(default="access.cursor_invalid", kw_only=True)


@dataclass(eq=False)
class BodyTooLarge(AccessError):
    code: str = field(default="access.body_too_large", kw_only=True)
    status: int = field(default=413, kw_only=True)
    limit_bytes: int = field(default=0, kw_only=True)

    def __str__(self) -> str:
        return self.message or f"The request body is larger than {self.limit_bytes:,} bytes."


@dataclass(eq=False)
class RateLimited(AccessError):
    message: str = "Too many requests: wait before the next one."
    code: str = field(default="access.rate_limited", kw_only=True)
    status: int = field(default=429, kw_only=True)
    retryable: bool = field(default=True, kw_only=True)
    retry_after_s: int = field(default=1, kw_only=True)
