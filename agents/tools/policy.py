"""Who may call what: scenes of rules that, put together, only ever narrow."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agents.core.types import ToolCall, ToolSpec

Verdict = Literal["allow", "ask", "deny"]
TAGS = frozenset({"read", "write", "network", "exec", "spend"})
_STRICTNESS: dict[Verdict, int] = {"allow": 0, "ask": 1, "deny": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A named set of rules about tools.

    Attributes:
        allow_tags: When given, a tool may have only these and those of `ask_tags`.
        ask_tags: A call of a tool with one of these needs a person's approval.
        deny_tags: A tool with one of these may not be called.
        allow_tools: When given, only these names may be called.
        deny_tools: These may not.
    """

    name: str
    allow_tags: frozenset[str] = frozenset()
    ask_tags: frozenset[str] = frozenset()
    deny_tags: frozenset[str] = frozenset()
    allow_tools: frozenset[str] = frozenset()
    deny_tools: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        unknown = (self.allow_tags | self.ask_tags | self.deny_tags) - TAGS
        if unknown:
            raise ValueError(
                f"Scene {self.name!r}: there is no tag {', '.join(sorted(unknown))}; "
                f"there are {', '.join(sorted(TAGS))}."
            )


def decide(call: ToolCall, tool: ToolSpec | None, scenes: Sequence[Scene]) -> tuple[Verdict, str]:
    """Return the strictest of what all scenes say of a call, and why; without scenes, `allow`."""
    if tool is None:
        return "deny", f"the agent has no tool {call.name!r}"
    found: tuple[Verdict, str] = ("allow", "")
    for scene in scenes:
        said = _said(tool, scene)
        if _STRICTNESS[said[0]] > _STRICTNESS[found[0]]:
            found = said
    return found


def _said(tool: ToolSpec, scene: Scene) -> tuple[Verdict, str]:
    if tool.name in scene.deny_tools or tool.tags & scene.deny_tags:
        return "deny", f"the scene {scene.name!r} forbids it"
    if scene.allow_tools and tool.name not in scene.allow_tools:
        return "deny", f"the scene {scene.name!r} does not list it"
    if scene.allow_tags and not tool.tags <= scene.allow_tags | scene.ask_tags:
        return "deny", f"the scene {scene.name!r} does not allow what it does"
    if tool.tags & scene.ask_tags:
        return "ask", f"The scene {scene.name!r} wants each such call approved."
    return "allow", ""
