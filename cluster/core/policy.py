"""What a workspace's operators set about how its population may change."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

logger = logging.getLogger(__name__)

_MOST = 10_000

Approval = Literal["review", "auto"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthPolicy:
    """The operators' limits; each attribute is a key of the workspace's settings.

    Attributes:
        quality_floor: A mean score below which a node is not worth its slot; 0 never judges.
        min_nodes: Nobody is quarantined when no more than these are active.
        blueprint_approval: `auto` lets forged and evolved blueprints work without a person's look.
        max_blueprints: Lines of blueprints that are not retired.
        max_versions: Versions of one line that are kept; older retired ones are pruned.
        max_nodes: Nodes in service.
        challenger_share: Of the work that a line's leader could get.
        hold_out_share: Of the runs that go without skills, and as many without memories.
        skill_auto_score: Mean score from which a crystallized skill needs no review; 0: never.
    """

    quality_floor: float = 0.35
    min_nodes: int = 2
    blueprint_approval: Approval = "review"
    max_blueprints: int = 32
    max_versions: int = 12
    max_nodes: int = 64
    challenger_share: float = 0.2
    hold_out_share: float = 0.04
    skill_auto_score: float = 0.0


def growth_policy(settings: Mapping[str, Any]) -> GrowthPolicy:
    """Return the policy that a workspace's settings hold; what makes no sense is left out."""
    kept = {
        name: settings[name]
        for name, fits in _FITS.items()
        if name in settings and _allowed(name, settings[name], fits)
    }
    return GrowthPolicy(**kept)


def _allowed(name: str, value: object, fits: Callable[[Any], bool]) -> bool:
    if fits(value):
        return True
    logger.warning("The workspace setting %s = %r cannot be used: the default counts.", name, value)
    return False


def _share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST


_FITS: Mapping[str, Callable[[Any], bool]] = {
    "quality_floor": _share,
    "min_nodes": _count,
    "blueprint_approval": lambda value: value in ("review", "auto"),
    "max_blueprints": _count,
    "max_versions": _count,
    "max_nodes": _count,
    "challenger_share": _share,
    "hold_out_share": _share,
    "skill_auto_score": _share,
}
