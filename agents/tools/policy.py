"""Who may call what: scenes of rules that, put together, only ever narrow."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from agents.core.types import ToolSpec

Verdict = Literal["allow", "ask", "deny"]
TAGS = frozenset({"read", "write", "network", "exec", "spend"})
_STRICTNESS: dict[Verdict, int] = {"allow": 0, "ask": 1, "deny": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What to do with tools of a tag, or of a name; a name may end in `*`."""

    verdict: Verdict
    tag: str = ""
    tool: str = ""

    def __post_init__(self) -> None:
        if bool(self.tag) == bool(self.tool):
            raise ValueError("A rule is about one tag or one tool name.")
        if self.tag and self.tag not in TAGS:
            raise ValueError(f"{self.tag!r} is no tag; there are: {', '.join(sorted(TAGS))}.")
        if self.verdict not in _STRICTNESS:
            raise ValueError(f"{self.verdict!r} is no verdict: allow, ask or deny.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A named set of rules; what no rule is about gets `default`."""

    name: str
    rules: tuple[Rule, ...] = ()
    default: Verdict = "deny"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A verdict and why."""

    verdict: Verdict
    reason: str = ""


def decide(
    tool: ToolSpec,
    scenes: Sequence[Scene],
    *,
    allowed: Iterable[str] | None = None,
    denied: Iterable[str] = (),
) -> Decision:
    """Return the strictest of what all scenes and lists say of a tool.

    In a scene a rule about the tool's name overrides those about its tags; of several tags the
    strictest counts. Without scenes and lists everything is allowed; `allowed` None allows all
    names, and names may end in `*`.
    """
    if any(_names(name, tool.name) for name in denied):
        return Decision(verdict="deny", reason=f"{tool.name!r} is on the deny list")
    if allowed is not None and not any(_names(name, tool.name) for name in allowed):
        return Decision(verdict="deny", reason=f"{tool.name!r} is not on the allow list")
    verdicts = [_in_scene(tool, scene) for scene in scenes]
    return max(
        verdicts, key=lambda found: _STRICTNESS[found.verdict], default=Decision(verdict="allow")
    )


def _in_scene(tool: ToolSpec, scene: Scene) -> Decision:
    by_name = [rule for rule in scene.rules if rule.tool and _names(rule.tool, tool.name)]
    by_tag = [rule for rule in scene.rules if rule.tag in tool.tags and rule.tag]
    if by_name:
        rule = max(by_name, key=lambda found: (len(found.tool), _STRICTNESS[found.verdict]))
        why = f"scene {scene.name!r} says {rule.verdict} to {rule.tool!r}"
        return Decision(verdict=rule.verdict, reason=why)
    unruled = sorted(tool.tags - {rule.tag for rule in by_tag})
    verdicts: list[tuple[Verdict, str]] = [
        (rule.verdict, f"scene {scene.name!r} says {rule.verdict} to {rule.tag!r}")
        for rule in by_tag
    ]
    if unruled or not tool.tags:
        about = ", ".join(unruled) or "tools without a tag"
        verdicts.append((scene.default, f"scene {scene.name!r} has no rule about {about}"))
    verdict, reason = max(verdicts, key=lambda found: _STRICTNESS[found[0]])
    return Decision(verdict=verdict, reason=reason)


def _names(pattern: str, name: str) -> bool:
    return name == pattern or (pattern.endswith("*") and name.startswith(pattern[:-1]))
