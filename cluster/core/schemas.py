"""Patterns and JSON Schemas that users write: matched in bounded time, nothing fetched."""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import jsonschema.validators
import re2  # pyright: ignore[reportMissingTypeStubs] -- it ships without types
from jsonschema import ValidationError
from jsonschema.exceptions import SchemaError
from jsonschema.protocols import Validator
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012, EMPTY_REGISTRY, specification_with

PATTERN_MAX: Final = 1_000
SCHEMA_MAX: Final = 100_000
REFERENCES_MAX: Final = 10_000
"""References followed in one validation; a few lines of schema could else ask for billions."""
VIOLATIONS_SHOWN: Final = 5
SHOWN_MAX: Final = 200

_engine: Any = re2
_library: Any = jsonschema.validators
_OPTIONS: Any = _engine.Options()
_OPTIONS.log_errors = False


class PatternInvalid(ValueError):
    """Not a pattern of the linear-time engine (no look-around, no back-references)."""


class SchemaInvalid(ValueError):
    """Not a JSON Schema that can be used."""


class _TooMuchWork(Exception):
    """The schema asks for more than one answer is worth."""


def pattern_found(pattern: str, text: str) -> bool:
    """Tell whether `pattern` matches anywhere in `text`, in time linear in both.

    Raises:
        PatternInvalid: It is too long, or not a pattern.
    """
    if len(pattern) > PATTERN_MAX:
        raise PatternInvalid(f"{len(pattern)} characters, at most {PATTERN_MAX} are allowed")
    try:
        compiled = _engine.compile(pattern.encode(), _OPTIONS)
    except _engine.error as error:
        raise PatternInvalid(_said(error)) from None
    except UnicodeEncodeError:
        raise PatternInvalid("it contains half of a surrogate pair") from None
    return compiled.search(text.encode(errors="replace")) is not None


def _said(error: Any) -> str:  # noqa: ANN401 -- the engine's error, whose text is bytes
    said = error.args[0] if error.args else b""
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)


def schema_checked(schema: object) -> None:
    """Return when `schema` can be used.

    Raises:
        SchemaInvalid: It is none, or refers to another document, or holds a bad pattern.
    """
    if not isinstance(schema, dict):
        raise SchemaInvalid("a schema is an object")
    fields: dict[str, Any] = schema  # pyright: ignore[reportUnknownVariableType] -- JSON from a door
    try:
        size = len(json.dumps(fields))
        if size > SCHEMA_MAX:
            raise SchemaInvalid(f"{size} characters, at most {SCHEMA_MAX} are allowed")
        if not isinstance(fields.get("$schema", ""), str):
            raise SchemaInvalid("'$schema' is a text")
        _base(fields).check_schema(fields)
        resolve = _resolver(fields)
        problem = next(_problems(fields, resolve, properties=False), None)
        if problem is not None:
            raise SchemaInvalid(problem)
    except SchemaError as error:
        raise SchemaInvalid(f"at {_path(error)}: {_short(error.message)}") from None
    except RecursionError:
        raise SchemaInvalid("it is nested too deeply") from None
    except (TypeError, ValueError) as error:
        raise SchemaInvalid(_short(str(error))) from None


def schema_violations(schema: Any, value: Any) -> list[str]:  # noqa: ANN401 -- JSON values
    """Return what keeps `value` from fitting the schema: the first few sentences, or none."""
    try:
        errors = sorted(_validator(schema).iter_errors(value), key=lambda e: str(e.absolute_path))
    except RecursionError:
        return ["schema and answer are nested too deeply"]
    except _TooMuchWork as error:
        return [str(error)]
    except Unresolvable as error:
        return [f"the schema refers to {error.ref!r}, which it does not contain"]
    shown = [f"at {_path(error)}: {_short(error.message)}" for error in errors]
    more = len(shown) - VIOLATIONS_SHOWN
    return shown[:VIOLATIONS_SHOWN] + ([f"and {more} more"] if more > 0 else [])


def _base(schema: Any) -> type[Validator]:  # noqa: ANN401 -- a JSON value
    return _library.validator_for(schema, default=_library.Draft202012Validator)


def _validator(schema: Any) -> Validator:  # noqa: ANN401 -- a JSON value
    """Return a validator with our pattern engine, bounded references and no way to the network."""
    base = _base(schema)
    left = REFERENCES_MAX
    follow: Any = base.VALIDATORS

    def counted(keyword: str) -> Any:  # noqa: ANN401 -- the library's callback
        def check(validator: Any, value: Any, instance: Any, own: Any) -> Iterator[ValidationError]:  # noqa: ANN401 -- the library's callback
            nonlocal left
            left -= 1
            if left < 0:
                raise _TooMuchWork(f"the schema follows more than {REFERENCES_MAX} references")
            yield from follow[keyword](validator, value, instance, own) or ()

        return check

    replaced: dict[str, Any] = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "uniqueItems": _unique_items,
    }
    replaced |= {
        keyword: counted(keyword) for keyword in ("$ref", "$dynamicRef") if keyword in follow
    }
    bounded = _library.extend(base, validators=replaced)
    return bounded(schema, registry=EMPTY_REGISTRY)


def _pattern(
    validator: Any,  # noqa: ANN401 -- the library's callback
    pattern: str,
    instance: Any,  # noqa: ANN401 -- a JSON value
    schema: Any,  # noqa: ANN401, ARG001 -- the library's callback
) -> Iterator[ValidationError]:
    if validator.is_type(instance, "string") and not pattern_found(pattern, instance):
        yield ValidationError(f"{_short(repr(instance))} does not match {pattern!r}")


def _pattern_properties(
    validator: Any,  # noqa: ANN401 -- the library's callback
    patterns: dict[str, Any],
    instance: Any,  # noqa: ANN401 -- a JSON value
    schema: Any,  # noqa: ANN401, ARG001 -- the library's callback
) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    for pattern, subschema in patterns.items():
        for key, value in instance.items():
            if pattern_found(pattern, key):
                yield from validator.descend(value, subschema, path=key, schema_path=pattern)


def _additional_properties(
    validator: Any,  # noqa: ANN401 -- the library's callback
    allowed: Any,  # noqa: ANN401 -- a JSON value
    instance: Any,  # noqa: ANN401 -- a JSON value
    schema: dict[str, Any],
) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    patterns = schema.get("patternProperties", {})
    extras = [
        key
        for key in instance
        if key not in schema.get("properties", {})
        and not any(pattern_found(pattern, key) for pattern in patterns)
    ]
    if validator.is_type(allowed, "object"):
        for key in extras:
            yield from validator.descend(instance[key], allowed, path=key)
    elif not allowed and extras:
        yield ValidationError(
            f"no further fields are allowed, found {_short(repr(sorted(extras)))}"
        )


def _unique_items(
    validator: Any,  # noqa: ANN401 -- the library's callback
    wanted: bool,  # noqa: FBT001 -- the library's callback
    instance: Any,  # noqa: ANN401 -- a JSON value
    schema: Any,  # noqa: ANN401, ARG001 -- the library's callback
) -> Iterator[ValidationError]:
    """Compare by a canonical text: the library's own comparison is quadratic."""
    if wanted and validator.is_type(instance, "array"):
        texts = [canonical(item) for item in instance]
        if len(set(texts)) != len(texts):
            yield ValidationError("an item appears twice")


def canonical(value: Any) -> str:  # noqa: ANN401 -- a JSON value
    """Return a text that is equal for equal JSON: 1 and 1.0 are one number, true and 1 are not."""
    return json.dumps(_normal(value), sort_keys=True)


def _normal(value: Any) -> Any:  # noqa: ANN401 -- a JSON value
    match value:
        case dict():
            return {key: _normal(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType] -- JSON
        case list():
            return [_normal(item) for item in value]  # pyright: ignore[reportUnknownVariableType] -- JSON
        case float() if value.is_integer():
            return int(value)
        case _:
            return value


def _resolver(schema: dict[str, Any]) -> Callable[[str], object]:
    """Return what raises `Unresolvable` for a reference that the schema does not contain."""
    specification = specification_with(str(schema.get("$schema", "")), default=DRAFT202012)
    root = specification.create_resource(schema)
    return EMPTY_REGISTRY.with_resource(root.id() or "", root).resolver(root.id() or "").lookup


def _problems(schema: Any, resolve: Callable[[str], object], *, properties: bool) -> Iterator[str]:  # noqa: ANN401 -- a JSON value
    """Yield what the meta-schema does not see; `properties`: the keys here are a user's names."""
    if isinstance(schema, list):
        for item in schema:  # pyright: ignore[reportUnknownVariableType] -- JSON
            yield from _problems(item, resolve, properties=False)
    if not isinstance(schema, dict):
        return
    fields: dict[str, Any] = schema  # pyright: ignore[reportUnknownVariableType] -- JSON
    for key, value in fields.items():
        if not properties:
            yield from _keyword_problems(key, value, fields, resolve)
        if key not in {"const", "enum", "default", "examples"}:
            yield from _problems(value, resolve, properties=not properties and key in _NAMING)


_NAMING: Final = frozenset({"properties", "patternProperties", "$defs", "definitions"})


def _keyword_problems(
    key: str,
    value: Any,  # noqa: ANN401 -- a JSON value
    schema: dict[str, Any],
    resolve: Callable[[str], object],
) -> Iterator[str]:
    patterns: list[str] = []
    if key == "pattern" and isinstance(value, str):
        patterns = [value]
    elif key == "patternProperties" and isinstance(value, dict):
        patterns = list(value)  # pyright: ignore[reportUnknownArgumentType] -- JSON
        if "unevaluatedProperties" in schema:
            yield "patternProperties together with unevaluatedProperties is not supported"
    elif key in {"$ref", "$dynamicRef"} and isinstance(value, str):
        try:
            resolve(value)
        except Unresolvable:
            yield f"{key} {_short(repr(value))} is nowhere in the schema, and nothing is fetched"
    for pattern in patterns:
        try:
            pattern_found(pattern, "")
        except PatternInvalid as error:
            yield f"pattern {_short(repr(pattern))}: {error}"


def _path(error: ValidationError | SchemaError) -> str:
    return "/" + "/".join(str(step) for step in error.absolute_path)


def _short(text: str) -> str:
    """Return a sentence with its middle left out when it is long: the reason stands at the end."""
    half = SHOWN_MAX // 2
    return text if len(text) <= SHOWN_MAX else f"{text[:half]}…{text[-half:]}"
