"""From a typed function or a Pydantic model to a quiet JSON Schema, and back to arguments."""

import inspect
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast, get_type_hints

from agents.core.errors import ToolRetry
from agents.core.ports import ToolContext
from agents.core.types import Json

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

MAX_PROBLEMS = 5
_ARGS = re.compile(r"^Args:\s*$(?P<body>(?:\n(?:[ \t]+.*)?)*)", re.MULTILINE)
_ARG = re.compile(r"^[ \t]+(?P<name>\w+)(?:\s*\([^)]*\))?:\s*(?P<text>.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """How a function is called.

    Attributes:
        model: Validates the arguments.
        whole: The parameter that takes the model itself; empty when its fields are the parameters.
        context: The parameter that takes the `ToolContext`; empty for none.
    """

    model: "type[BaseModel]"
    whole: str = ""
    context: str = ""


def signature_of(function: Callable[..., Any], model: "type[BaseModel] | None" = None) -> Signature:
    """Return how to call a function.

    Raises:
        TypeError: A parameter has no annotation, or takes any number of arguments.
    """
    from pydantic import BaseModel, ConfigDict, create_model  # noqa: PLC0415 -- 10 MB

    hints = get_type_hints(function, include_extras=True)
    hints.pop("return", None)
    context, fields, first = "", dict[str, Any](), ""
    for name, parameter in inspect.signature(function).parameters.items():
        kind = hints.get(name)
        if kind is ToolContext or (kind is None and name in ("ctx", "context")):
            context = name
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise TypeError(f"{function.__name__!r} takes any arguments (*{name}): name them.")
        first = first or name
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[name] = (kind, default)
    if model is not None:
        return Signature(model=model, whole=first, context=context)
    if (
        len(fields) == 1
        and inspect.isclass(hints.get(first))
        and issubclass(hints[first], BaseModel)
    ):
        return Signature(model=hints[first], whole=first, context=context)
    untyped = [name for name, (kind, _) in fields.items() if kind is None]
    if untyped:
        raise TypeError(f"{function.__name__!r}: annotate {', '.join(untyped)} with a type.")
    # Names that start with an underscore or shadow a model's own are legal parameters, so that the
    # model's namespace protection has nothing to protect here.
    config = ConfigDict(extra="forbid", protected_namespaces=(), arbitrary_types_allowed=False)
    made = create_model(function.__name__, __config__=config, **fields)
    return Signature(model=made, context=context)


def schema_of(model: "type[BaseModel]", descriptions: Mapping[str, str] | None = None) -> Json:
    """Return the model's JSON Schema: no titles, no null defaults, `X | None` as X."""
    schema = cast("Json", _quiet(model.model_json_schema()))
    schema.pop("description", None)
    properties = schema.setdefault("properties", {})
    for name, text in (descriptions or {}).items():
        if name in properties:
            properties[name].setdefault("description", text)
    return schema


def described(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """Return the first paragraph of a docstring and what its `Args:` say of each parameter."""
    text = inspect.getdoc(function) or ""
    summary = " ".join(text.split("\n\n", 1)[0].split())
    found = _ARGS.search(text)
    arguments = _ARG.finditer(found["body"]) if found else ()
    return summary, {match["name"]: match["text"].strip() for match in arguments}


def parse_object(arguments: str) -> Json:
    """Return the JSON object in a model's raw arguments; nothing at all counts as none.

    Raises:
        ToolRetry: They are no JSON object.
    """
    if not arguments.strip():
        return {}
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError) as error:
        raise ToolRetry(
            f"The arguments are not valid JSON ({error}). Send one complete JSON object."
        ) from None
    if not isinstance(value, dict):
        raise ToolRetry("The arguments must be one JSON object, such as {}.")
    return cast("Json", value)


def validated(model: "type[BaseModel]", arguments: str) -> "BaseModel":
    """Return the arguments as the model's instance.

    Raises:
        ToolRetry: They do not fit; says where and why.
    """
    from pydantic import ValidationError  # noqa: PLC0415 -- loaded with the model

    value = parse_object(arguments)
    names = {field.alias or name for name, field in model.model_fields.items()}
    extra = sorted(set(value) - names - set(model.model_fields))
    if extra and model.model_config.get("extra") != "allow":
        known = ", ".join(sorted(names)) or "none"
        raise ToolRetry(f"Unknown arguments: {', '.join(extra)}. There are: {known}.")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise ToolRetry(_explained(error)) from None


def _explained(error: "ValidationError") -> str:
    problems = [
        f"{'.'.join(str(part) for part in problem['loc']) or 'arguments'}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_input=False)[:MAX_PROBLEMS]
    ]
    return "The arguments do not fit. " + "; ".join(problems)


def _quiet(node: Any) -> Any:  # noqa: ANN401 -- any JSON value
    if isinstance(node, list):
        return [_quiet(item) for item in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    quiet: Json = {}
    for key, value in cast("Json", node).items():
        if key == "title" and isinstance(value, str):
            continue
        if (key == "default" and value is None) or (key == "additionalProperties" and not value):
            continue
        if key in ("properties", "$defs"):
            quiet[key] = {name: _quiet(inner) for name, inner in value.items()}
        else:
            quiet[key] = _quiet(value)
    options: list[Json] = quiet.get("anyOf") or []
    some = [option for option in options if option != {"type": "null"}]
    if options and len(some) == 1:
        del quiet["anyOf"]
        quiet = {**some[0], **quiet}
    return quiet
