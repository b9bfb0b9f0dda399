"""Tools that somebody else wrote: their schemas made safe to show to a model and to check with."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from agents.core.types import Json, ToolSpec

MAX_NODES = 2_000
MAX_CHARS = 60_000

_MAPS = frozenset({"properties", "dependentSchemas"})
_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_ONE = frozenset({"items", "additionalProperties", "not", "if", "then", "else", "contains",
                  "propertyNames"})  # fmt: skip
# What says something of a value by itself. No `pattern`: foreign ones may backtrack for ever.
_PLAIN = frozenset({"type", "enum", "const", "default", "description", "required", "format",
                    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
                    "minLength", "maxLength", "minItems", "maxItems", "uniqueItems",
                    "minProperties", "maxProperties"})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class McpToolSpec:
    """A tool as agents may be granted it, and what its server calls it."""

    remote_name: str
    spec: ToolSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a server offered, and why some of it cannot be used."""

    tools: tuple[McpToolSpec, ...]
    left_out: tuple[str, ...] = ()


class SchemaUnusable(ValueError):
    """Not a schema of an object's arguments, or one that asks for too much; says why."""


def tamed(schema: object) -> Json:
    """Return the schema with what it refers to written out, and no word that is not known here.

    A part that refers to itself becomes one that takes anything.

    Raises:
        SchemaUnusable: It is no schema of an object, refers to elsewhere, or is too large.
    """
    if not isinstance(schema, dict):
        raise SchemaUnusable("its schema is no object")
    root = cast("Json", schema)
    try:
        written = _Tamer(root).node(root, ())
        if len(json.dumps(written)) > MAX_CHARS:
            raise SchemaUnusable(f"its schema is longer than {MAX_CHARS} characters")
    except RecursionError:
        raise SchemaUnusable("its schema is too deep") from None
    if written.setdefault("type", "object") != "object":
        raise SchemaUnusable("its schema does not describe an object")
    _check(written)
    return written


def _check(schema: Json) -> None:
    from jsonschema import Draft202012Validator, SchemaError  # noqa: PLC0415 -- 10 MB, when needed

    validator = cast("Any", Draft202012Validator)
    try:
        validator.check_schema(schema)
    except SchemaError as error:
        raise SchemaUnusable(f"its schema is none: {error.message[:200]}") from None


class _Tamer:
    def __init__(self, root: Json) -> None:
        self._root = root
        self._left = MAX_NODES

    def node(self, schema: object, inside: tuple[str, ...]) -> Json:
        if isinstance(schema, bool):
            return {} if schema else {"not": {}}
        if not isinstance(schema, dict):
            raise SchemaUnusable(f"a part of its schema is {json.dumps(schema)[:50]}")
        self._left -= 1
        if self._left < 0:
            raise SchemaUnusable(f"its schema has more than {MAX_NODES} parts")
        fields = cast("Json", schema)
        found: Json = {}
        if "$ref" in fields:
            found = self._referred(fields["$ref"], inside)
        for key, value in fields.items():
            if key in _PLAIN:
                found[key] = value
            elif key in _ONE:
                found[key] = self._one(key, value, inside)
            elif key in _MAPS and isinstance(value, Mapping):
                parts = cast("Mapping[str, object]", value)
                found[key] = {name: self.node(part, inside) for name, part in parts.items()}
            elif key in _LISTS and isinstance(value, list):
                found[key] = [self.node(part, inside) for part in cast("list[object]", value)]
        return found

    def _one(self, key: str, value: object, inside: tuple[str, ...]) -> object:
        if key == "additionalProperties" and isinstance(value, bool):
            return value
        return self.node(value, inside)

    def _referred(self, reference: object, inside: tuple[str, ...]) -> Json:
        if not (isinstance(reference, str) and reference.startswith("#")):
            raise SchemaUnusable(f"its schema refers to {str(reference)[:80]!r}")
        if reference in inside:
            return {}
        found: Any = self._root
        for part in reference.removeprefix("#").strip("/").split("/"):
            if not part:
                continue
            name = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or name not in found:
                raise SchemaUnusable(f"its schema refers to {reference[:80]!r}, which is not there")
            found = cast("Json", found)[name]
        return self.node(found, (*inside, reference))
