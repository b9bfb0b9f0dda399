"""Webhooks: what may be asked for, and when a call that failed is tried again."""

from collections.abc import Mapping
from random import Random
from typing import Any, Final, cast

from cluster.core.errors import RequestInvalid
from cluster.core.submission import text_problem

FINISHED: Final = "task.finished"
ASKED: Final = "input.required"
TEST: Final = "webhook.test"
EVENTS: Final = (
    "task.created", FINISHED, ASKED, "input.answered", "task.cancel_requested", "task.retried",
    "task.rated", "task.taken_over",
)  # fmt: skip
"""What a webhook may be told of a task that was submitted; of its parts, only that one asks."""
DEFAULT: Final = (FINISHED, ASKED)
NAME_MAX: Final = 200
PAUSES_S: Final = (5.0, 30.0, 120.0, 600.0, 3_600.0, 21_600.0, 86_400.0)
"""Between the tries of a delivery; after the last one it has failed."""
SPREAD: Final = 0.2
_FIELDS = frozenset({"name", "url", "events", "enabled"})


def retry_pause_s(attempts: int, *, rng: Random) -> float | None:
    """Return how long to wait after so many tries; None when it was the last."""
    if attempts > len(PAUSES_S):
        return None
    return PAUSES_S[attempts - 1] * (1 + SPREAD * rng.random())


def told(type_: str, *, is_part: bool) -> bool:
    """Tell whether webhooks may want an event: of parts, only what needs a person."""
    return type_ in EVENTS and (type_ == ASKED or not is_part)


def webhook_read(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a webhook that were given, except the address, which a shell checks.

    Raises:
        RequestInvalid: A field cannot be used.
    """
    unknown = sorted(set(raw) - _FIELDS)
    if unknown:
        raise RequestInvalid(
            f"Unknown field {unknown[0]!r}. Known are: {', '.join(sorted(_FIELDS))}.",
            field=unknown[0],
        )
    fields = dict(raw)
    if "enabled" in fields and not isinstance(fields["enabled"], bool):
        raise RequestInvalid("enabled must be true or false.", field="enabled")
    if "url" in fields and not isinstance(fields["url"], str):
        raise RequestInvalid("url must be a text.", field="url")
    if "name" in fields:
        fields["name"] = _name(fields["name"])
    if "events" in fields:
        fields["events"] = _events(fields["events"])
    return fields


def _name(value: object) -> str:
    if not isinstance(value, str) or len(value) > NAME_MAX or text_problem(value):
        raise RequestInvalid(f"name must be a line of at most {NAME_MAX} characters.", field="name")
    return value.strip()


def _events(value: object) -> list[str]:
    items = cast("list[object]", value) if isinstance(value, list) else []
    if not items or not all(item in EVENTS for item in items):
        raise RequestInvalid(
            f"events must be a list with at least one of {', '.join(EVENTS)}.", field="events"
        )
    return sorted({str(item) for item in items})
