"""Which tools a blueprint may have: those that are here, switched on, and allowed by policy."""

from agents.core.types import ToolCall, ToolSpec
from agents.models import Scene, Tool
from agents.services.agents import BUILTIN_TOOLS
from agents.tools.policy import Scene as Rules
from agents.tools.policy import decide
from cluster.core.forging import Grants

SCENE = "forge"
"""An operator's scene of this name says what forged agents may have, in place of the default."""
DEFAULT = Rules(name="of blueprints", deny_tags=frozenset({"exec", "spend"}))


def tools_grantable(*, workspace_id: str) -> Grants:
    """Return the tools that blueprints of a workspace may have, and why not the others."""
    rows = Tool.objects.filter(workspace_id=workspace_id).order_by("name")
    rules = _rules(workspace_id)
    allowed: dict[str, str] = {}
    denied: dict[str, str] = {}
    for row in rows:
        spec = ToolSpec(name=row.name, description="", parameters={}, tags=frozenset(row.tags))
        verdict, why = decide(ToolCall(id="", name=row.name, arguments=""), spec, [rules])
        if not row.enabled:
            denied[row.name] = "which is switched off"
        elif not row.available:
            denied[row.name] = "which its server does not offer any more"
        elif verdict == "deny":
            denied[row.name] = f"which policy does not allow: {why}"
        else:
            allowed[row.name] = row.description
    if not allowed and not denied:  # the workspace's tools have never been listed
        allowed = dict.fromkeys(sorted(BUILTIN_TOOLS), "")
    return Grants(allowed=allowed, denied=denied)


def scenes_of_forged(*, workspace_id: str) -> list[str]:
    """Return the scenes that narrow every agent made from a forged blueprint."""
    return [SCENE] if Scene.objects.filter(workspace_id=workspace_id, slug=SCENE).exists() else []


def _rules(workspace_id: str) -> Rules:
    row = Scene.objects.filter(workspace_id=workspace_id, slug=SCENE).first()
    if row is None:
        return DEFAULT
    return Rules(
        name=row.slug,
        allow_tags=frozenset(row.allow_tags),
        ask_tags=frozenset(row.ask_tags),
        deny_tags=frozenset(row.deny_tags),
        allow_tools=frozenset(row.allow_tools),
        deny_tools=frozenset(row.deny_tools),
    )
