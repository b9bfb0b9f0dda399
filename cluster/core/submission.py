"""What a submission must be like to become a task; every door asks here."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, cast

from cluster.core.checks import check_validate
from cluster.core.errors import CheckInvalid, GoalInvalid, TaskInvalid, TaskUnknown
from cluster.core.types import Json

GOAL_MAX = 100_000
CONTEXT_MAX = 400_000
METADATA_MAX = 64_000
CHECKS_MAX = 20
NAMES_MAX = 100
NAME_MAX = 200
KEY_MAX = 200
CYCLES_MAX = 10
PRIORITY_MAX = 100
DEADLINE_MAX_S = 366 * 24 * 3600
BUDGET_MAX = Decimal(1_000_000)
_WHITE = frozenset("\t\n\r")
_UUID = re.compile(r"([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A submission that can become a task; the fields are those of the REST body."""

    goal: str
    agent: str | None = None
    context: str = ""
    checks: tuple[Json, ...] = ()
    budget_usd: Decimal | None = None
    max_cycles: int = 2
    min_score: float | None = None
    deadline_s: float | None = None
    priority: int = 0
    collections: tuple[str, ...] = ()
    metadata: Json = field(default_factory=dict[str, Any])
    idempotency_key: str | None = None


def submission_read(raw: Mapping[str, Any]) -> Submission:
    """Return the submission that a door's plain values describe.

    Raises:
        TaskInvalid: A value cannot be used; `field` names it and the message says what to change.
    """
    unknown = sorted(set(raw) - set(Submission.__dataclass_fields__))
    if unknown:
        known = ", ".join(sorted(Submission.__dataclass_fields__))
        raise TaskInvalid(f"Unknown field {unknown[0]!r}. Known are: {known}.", field=unknown[0])
    given = {key: value for key, value in raw.items() if value is not None}
    return Submission(
        goal=goal_read(given.get("goal")),
        agent=_text(given, "agent", 63) or None,
        context=_text(given, "context", CONTEXT_MAX),
        checks=_checks(given.get("checks", ())),
        budget_usd=_money(given.get("budget_usd")),
        max_cycles=_whole(given, "max_cycles", 2, 1, CYCLES_MAX),
        min_score=_number(given, "min_score", 0, 1),
        deadline_s=_number(given, "deadline_s", 0.001, DEADLINE_MAX_S),
        priority=_whole(given, "priority", 0, -PRIORITY_MAX, PRIORITY_MAX),
        collections=_names(given.get("collections", ()), "collections"),
        metadata=_metadata(given.get("metadata", {})),
        idempotency_key=_text(given, "idempotency_key", KEY_MAX) or None,
    )


def goal_read(value: object) -> str:
    """Return a goal that can be worked on.

    Raises:
        GoalInvalid: It is no text, empty, too long, or has characters that are no text.
    """
    if not isinstance(value, str):
        said = "is missing" if value is None else f"is a {type(value).__name__}"
        raise GoalInvalid(
            f"The goal {said}: send a text that says what is to be done.", field="goal"
        )
    goal = value.strip()
    if not goal:
        raise GoalInvalid("The goal is empty: say what is to be done.", field="goal")
    if len(goal) > GOAL_MAX:
        raise GoalInvalid(
            f"The goal has {len(goal):,} characters, at most {GOAL_MAX:,} are possible: put long "
            "material into `context` or a knowledge collection.",
            field="goal",
        )
    problem = text_problem(goal)
    if problem:
        raise GoalInvalid(f"The goal {problem}.", field="goal")
    return goal


def task_id_read(value: object) -> str:
    """Return a task's id as it is stored; a malformed one is as unknown as any other.

    Raises:
        TaskUnknown: It is no UUID.
    """
    text = str(value)[:100].strip().lower()
    found = _UUID.fullmatch(text)
    if not found:
        raise TaskUnknown(f"There is no task {text!r}.", field="task_id")
    return "-".join(found.groups())


def text_problem(text: str) -> str:
    """Return what makes a text unfit to be stored, or nothing."""
    for at, char in enumerate(text):
        code = ord(char)
        if code < 0x20 and char not in _WHITE:  # noqa: PLR2004 -- the control characters
            return f"has the control character U+{code:04X} at position {at}: send plain text"
        if 0xD800 <= code <= 0xDFFF:  # noqa: PLR2004 -- the surrogates
            return f"has half a character (U+{code:04X}) at position {at}: send valid Unicode"
    return ""


def _text(given: Mapping[str, Any], name: str, most: int) -> str:
    value = given.get(name, "")
    if not isinstance(value, str):
        raise TaskInvalid(f"{name} must be a text, not {type(value).__name__}.", field=name)
    if len(value) > most:
        raise TaskInvalid(f"{name} has {len(value):,} characters, at most {most:,}.", field=name)
    problem = text_problem(value)
    if problem:
        raise TaskInvalid(f"{name} {problem}.", field=name)
    return value.strip()


def _whole(given: Mapping[str, Any], name: str, default: int, least: int, most: int) -> int:
    value = given.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise TaskInvalid(
            f"{name} must be a whole number from {least} to {most}, not {value!r}.", field=name
        )
    return value


def _number(given: Mapping[str, Any], name: str, least: float, most: float) -> float | None:
    if name not in given:
        return None
    value = given[name]
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not good or not least <= value <= most:
        raise TaskInvalid(
            f"{name} must be a number from {least:g} to {most:g}, not {value!r}.", field=name
        )
    return float(value)


def _money(value: object) -> Decimal | None:
    if value is None:
        return None
    problem = "budget_usd must be an amount in US dollars from 0 to 1000000, such as 0.50"
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise TaskInvalid(f"{problem}, not {value!r}.", field="budget_usd")
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        raise TaskInvalid(f"{problem}, not {value!r}.", field="budget_usd") from None
    if not amount.is_finite() or not 0 <= amount <= BUDGET_MAX:
        raise TaskInvalid(f"{problem}, not {value!r}.", field="budget_usd")
    return amount.quantize(Decimal("0.000001"))


def _names(value: object, name: str) -> tuple[str, ...]:
    items = cast("Sequence[object]", value) if isinstance(value, list | tuple) else None
    if items is None or len(items) > NAMES_MAX or not all(map(_is_name, items)):
        raise TaskInvalid(
            f"{name} must be a list of names: at most {NAMES_MAX}, each of 1 to {NAME_MAX} "
            "characters.",
            field=name,
        )
    return tuple(dict.fromkeys(str(item) for item in items))


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= NAME_MAX and not text_problem(value)


def _checks(value: object) -> tuple[Json, ...]:
    if not isinstance(value, list | tuple):
        raise CheckInvalid("checks must be a list of objects with a `kind`.", field="checks")
    items = cast("Sequence[Json]", value)
    if len(items) > CHECKS_MAX:
        raise CheckInvalid(
            f"{len(items)} checks, at most {CHECKS_MAX} are possible.", field="checks"
        )
    for number, check in enumerate(items):
        problem = check_validate(check)
        if problem:
            raise CheckInvalid(f"Check {number + 1}: {problem}", field=f"checks[{number}]")
    _storable(items, "checks", METADATA_MAX)
    return tuple(dict(check) for check in items)


def _metadata(value: object) -> Json:
    if not isinstance(value, dict):
        raise TaskInvalid("metadata must be an object.", field="metadata")
    fields = cast("Json", value)
    _storable(fields, "metadata", METADATA_MAX)
    session = fields.get("session_id")
    if session is not None and not _is_name(session):
        raise TaskInvalid(
            f"metadata.session_id names a conversation: a text of 1 to {NAME_MAX} characters.",
            field="metadata.session_id",
        )
    return dict(fields)


def _storable(value: object, name: str, most: int) -> None:
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        raise TaskInvalid(
            f"{name} must be plain JSON, without NaN or infinity.", field=name
        ) from None
    if len(text) > most:
        raise TaskInvalid(f"{name} has {len(text):,} characters, at most {most:,}.", field=name)
    # Written out, a null character is an escape behind an even number of backslashes.
    if re.search(r"(?<!\\)(?:\\\\)*\\u0000", text):
        raise TaskInvalid(f"{name} has a null character: take it out.", field=name)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise TaskInvalid(f"{name} has half a character: send valid Unicode.", field=name) from None
