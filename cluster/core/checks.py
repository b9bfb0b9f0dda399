"""Checks that a task declares for its answer: pure, bounded, each with a reason one can act on.

Patterns are matched by a linear-time engine, also those inside a JSON schema, and a schema can only
refer to itself: nothing is fetched.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cluster.core.schemas import (
    PatternInvalid,
    SchemaInvalid,
    canonical,
    pattern_found,
    schema_checked,
    schema_violations,
)

TEXT_MAX: Final = 10_000
"""Characters of one expected text; of a pattern or a schema there are limits of their own."""
VALUES_MAX: Final = 100
TOOL_MAX: Final = 128
SHOWN_MAX: Final = 200
LISTED_MAX: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What one check says of an answer; `passed` exactly when `score` is 1.

    Attributes:
        step: The tool whose result it looked at, in place of the answer.
    """

    kind: str
    required: bool
    passed: bool
    score: float
    detail: str = ""
    step: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CitationFacts:
    """What the shell found out about an answer's citations.

    Attributes:
        count: Citations in the answer.
        problems: One sentence for each that does not hold: no such chunk, quote not at its offsets.
    """

    count: int = 0
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    answer: str
    citations: CitationFacts
    exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """One kind of check: the names of its one field, what keeps that from being one, the run."""

    names: tuple[str, ...]
    problem: Callable[[Any], str | None]
    run: Callable[[Any, _Subject], tuple[float, str]]
    default: int | None = None
    switches: frozenset[str] = frozenset()
    of_answer: bool = False

    def given(self, check: Mapping[Any, Any]) -> str | None:
        return next((name for name in self.names if name in check), None)


def check_validate(check: object) -> str | None:
    """Return what is wrong with a declared check, in a sentence, or None when it can be run."""
    if not isinstance(check, Mapping):
        return (
            f"a check is an object like {{'kind': 'contains', 'value': '…'}}, not {_shown(check)}"
        )
    fields: Mapping[Any, Any] = check  # pyright: ignore[reportUnknownVariableType] -- JSON from a door
    name = fields.get("kind")
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        return f"unknown kind {_shown(name)}: use one of {', '.join(sorted(KINDS))}"
    problem = _fields_problem(kind, fields)
    given = kind.given(fields)
    if problem is None and given is not None:
        said = kind.problem(fields[given])
        problem = None if said is None else f"{given!r} {said}"
    return None if problem is None else f"{name}: {problem}"


def check_run(
    check: Mapping[str, Any],
    answer: str,
    *,
    citations: CitationFacts | None = None,
    steps: Mapping[str, str] | None = None,
) -> CheckResult:
    """Return what a check says of an answer; one that cannot be run fails and says why.

    A check of a step looks into `steps` instead: by tool, what its first good call brought.
    """
    required = check.get("required") is True
    kind = str(check.get("kind"))
    step = step_of(check)
    problem = check_validate(check)
    if problem is None and step and step not in (steps or {}):
        problem = f"no call of the tool {step!r} succeeded"
    if problem is not None:
        return CheckResult(
            kind=kind, required=required, passed=False, score=0.0, detail=problem, step=step
        )
    rule = KINDS[kind]
    given = rule.given(check)
    subject = _Subject(
        answer=(steps or {})[step] if step else answer,
        citations=citations or CitationFacts(),
        exact=check.get("case_sensitive", True),
    )
    score, detail = rule.run(rule.default if given is None else check[given], subject)
    return CheckResult(
        kind=kind, required=required, passed=score >= 1.0, score=score, detail=detail, step=step
    )


def step_of(check: Mapping[str, Any]) -> str:
    """Return the tool whose result a check looks at; empty for one that looks at the answer."""
    step = check.get("step")
    return step if isinstance(step, str) else ""


def _fields_problem(kind: _Kind, fields: Mapping[Any, Any]) -> str | None:
    """Return which field is missing, unknown, or not the switch it should be."""
    switches = {"required", *kind.switches}
    steps = set[str]() if kind.of_answer else {"step"}
    allowed = {"kind", *switches, *steps, *kind.names[:1]}
    unknown = sorted(str(key) for key in fields if key not in allowed and key != kind.given(fields))
    if unknown:
        return f"unknown field {unknown[0]!r}: use {', '.join(sorted(allowed))}"
    for switch in sorted(switches):
        if not isinstance(fields.get(switch, False), bool):
            return f"{switch!r} is true or false, not {_shown(fields[switch])}"
    step = fields.get("step", "tool")
    if not isinstance(step, str) or not 1 <= len(step) <= TOOL_MAX:
        return f"'step' is the name of a tool, not {_shown(step)}"
    if kind.names and kind.default is None and kind.given(fields) is None:
        return f"the field {kind.names[0]!r} is missing"
    return None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_MAX else text[: SHOWN_MAX - 1] + "…"


# ---------------------------------------------------------------- what a field must be


def _text_problem(value: object) -> str | None:
    if not isinstance(value, str) or not value:
        return f"is a text, not {_shown(value)}"
    if len(value) > TEXT_MAX:
        return f"has {len(value)} characters, at most {TEXT_MAX} are allowed"
    return None


def _texts_problem(value: object) -> str | None:
    if not isinstance(value, list):
        return _text_problem(value)
    values: list[object] = value  # pyright: ignore[reportUnknownVariableType] -- JSON from a door
    if not 1 <= len(values) <= VALUES_MAX:
        return f"has {len(values)} texts, 1 to {VALUES_MAX} are allowed"
    return next((p for p in map(_text_problem, values) if p is not None), None)


def _count_problem(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return f"is a whole number from 0, not {_shown(value)}"
    return None


def _pattern_problem(value: object) -> str | None:
    problem = _text_problem(value)
    if problem is None:
        try:
            pattern_found(str(value), "")
        except PatternInvalid as error:
            return f"is no pattern: {error}"
    return problem


def _schema_problem(value: object) -> str | None:
    try:
        schema_checked(value)
    except SchemaInvalid as error:
        return f"is no JSON Schema: {error}"
    return None


def _no_problem(_value: object) -> str | None:
    return None


# ---------------------------------------------------------------- how a kind is run


def _texts(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _folded(text: str, subject: _Subject) -> str:
    return text if subject.exact else text.casefold()


def _found(value: str | list[str], subject: _Subject) -> list[str]:
    where = _folded(subject.answer, subject)
    return [text for text in _texts(value) if _folded(text, subject) in where]


def _contains(value: str | list[str], subject: _Subject) -> tuple[float, str]:
    texts, found = _texts(value), _found(value, subject)
    missing = [text for text in texts if text not in found]
    return len(found) / len(texts), f"not in the answer: {_listed(missing)}" if missing else ""


def _contains_not(value: str | list[str], subject: _Subject) -> tuple[float, str]:
    found = _found(value, subject)
    return float(not found), f"in the answer: {_listed(found)}" if found else ""


def _equals(value: Any, subject: _Subject) -> tuple[float, str]:
    answer = subject.answer.strip()
    if isinstance(value, str):
        same = _folded(answer, subject) == _folded(value.strip(), subject)
    else:
        parsed, problem = _parsed(answer)
        if problem:
            return 0.0, problem
        same = canonical(parsed) == canonical(value)
    return float(same), "" if same else f"the answer is {_shown(answer)}"


def _regex(pattern: str, subject: _Subject) -> tuple[float, str]:
    found = pattern_found(pattern, subject.answer)
    return float(found), "" if found else f"nothing matches {_shown(pattern)}"


def _is_json(_value: None, subject: _Subject) -> tuple[float, str]:
    _, problem = _parsed(subject.answer)
    return float(not problem), problem


def _json_schema(schema: Mapping[str, Any], subject: _Subject) -> tuple[float, str]:
    value, problem = _parsed(subject.answer)
    if problem:
        return 0.0, problem
    violations = schema_violations(schema, value)
    return float(not violations), "; ".join(violations)


def _min_length(want: int, subject: _Subject) -> tuple[float, str]:
    length = len(subject.answer.strip())
    return float(length >= want), _short_of(length, want, "characters", "least")


def _max_length(want: int, subject: _Subject) -> tuple[float, str]:
    length = len(subject.answer.strip())
    return float(length <= want), _short_of(length, want, "characters", "most")


def _min_citations(want: int, subject: _Subject) -> tuple[float, str]:
    count = subject.citations.count
    return float(count >= want), _short_of(count, want, "citations", "least")


def _cites_sources(want: int, subject: _Subject) -> tuple[float, str]:
    score, detail = _min_citations(want, subject)
    problems = subject.citations.problems
    if score < 1.0 or not problems:
        return score, detail
    held = max(subject.citations.count - len(problems), 0)
    return held / (held + len(problems)), _listed(problems)


def _short_of(count: int, want: int, unit: str, bound: str) -> str:
    kept = count >= want if bound == "least" else count <= want
    return "" if kept else f"{count} {unit}, at {bound} {want} were asked for"


def _listed(texts: Sequence[str]) -> str:
    shown = ", ".join(_shown(text) for text in texts[:LISTED_MAX])
    more = len(texts) - LISTED_MAX
    return shown if more <= 0 else f"{shown} and {more} more"


def _parsed(answer: str) -> tuple[Any, str]:
    """Return the answer as JSON, or why it is none; a code fence around it does not matter."""
    text = answer.strip()
    if text.startswith("```") and text.endswith("```") and "\n" in text:
        text = text[text.index("\n") + 1 : -3].strip()
    try:
        return json.loads(text, parse_constant=_not_json), ""
    except RecursionError:
        return None, "the answer is JSON nested too deeply"
    except ValueError as error:
        return None, f"the answer is not JSON: {error}"


def _not_json(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_CASE: Final = frozenset({"case_sensitive"})
_TEXT: Final = ("value", "values", "text")
_COUNT: Final = ("value", "min", "count")
KINDS: Final[Mapping[str, _Kind]] = {
    "contains": _Kind(names=_TEXT, problem=_texts_problem, run=_contains, switches=_CASE),
    "not_contains": _Kind(names=_TEXT, problem=_texts_problem, run=_contains_not, switches=_CASE),
    "equals": _Kind(names=_TEXT, problem=_no_problem, run=_equals, switches=_CASE),
    "regex": _Kind(names=("pattern", "value"), problem=_pattern_problem, run=_regex),
    "is_json": _Kind(names=(), problem=_no_problem, run=_is_json),
    "json_schema": _Kind(names=("schema", "value"), problem=_schema_problem, run=_json_schema),
    "min_length": _Kind(names=("value", "min"), problem=_count_problem, run=_min_length),
    "max_length": _Kind(names=("value", "max"), problem=_count_problem, run=_max_length),
    "cites_sources": _Kind(
        names=_COUNT, problem=_count_problem, run=_cites_sources, default=1, of_answer=True
    ),
    "min_citations": _Kind(
        names=_COUNT, problem=_count_problem, run=_min_citations, of_answer=True
    ),
}
