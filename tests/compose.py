"""Reading docker-compose.yml as Compose does: variables, anchors, merges."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parent.parent / "docker-compose.yml"
_VARIABLE = re.compile(r"\$\$|\$\{(\w+)(?::-([^}]*))?\}")


def load(variables: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the project with its variables filled in, from `variables` or their defaults."""
    return _filled(yaml.safe_load(PROJECT.read_text(encoding="utf-8")), variables or {})


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    """Fill in after parsing, so that an empty variable is an empty text and not nothing."""
    if isinstance(value, dict):
        return {name: _filled(each, variables) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, variables) for each in value]
    if not isinstance(value, str):
        return value
    return _VARIABLE.sub(
        lambda found: "$" if found[0] == "$$" else variables.get(found[1]) or found[2] or "", value
    )
