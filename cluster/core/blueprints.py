"""Which blueprint makes the next agent, which of its versions stays, and when a new one is due.

Versions are immutable; a race among them decides by Thompson sampling over judged results. A new
child runs as a challenger on a capped share of the work until the evidence promotes it or rolls it
back.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

MATCH_MIN: Final = 0.35
"""Cosine below which a blueprint's description is about something else."""
PRIOR_MEAN: Final = 0.6
PRIOR_N: Final = 2.0
SCORE_SD: Final = 0.35
RACE_EVERY: Final = 20
RACE_SAMPLES: Final = 300
LOST: Final = 0.02
LOST_MIN_N: Final = 5
EVOLVE_EVERY: Final = 200
EVOLVE_MIN_N: Final = 8
UPPER: Final = 1.64
CHALLENGER_SHARE: Final = 0.2
CHALLENGE_MIN_N: Final = 8
CHALLENGE_MAX_N: Final = 60
SURE: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class BlueprintView:
    """A blueprint as a task sees it; `similarity` is cosine of descriptions and goal."""

    blueprint_id: str
    tools: frozenset[str]
    similarity: float
    domains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRecord:
    """Judged results of one version in one domain."""

    version_id: str
    n: int = 0
    total: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """A version that the race drops, and why."""

    version_id: str
    reason: str


class Forge(StrEnum):
    """What MATCH does about a field that is too weak."""

    NOTHING = "nothing"
    SPAWN = "spawn"
    FORGE = "forge"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgeDecision:
    action: Forge
    reason: str
    blueprint_id: str | None = None


class Challenge(StrEnum):
    GO_ON = "go_on"
    PROMOTE = "promote"
    ROLL_BACK = "roll_back"


def match(
    blueprints: Sequence[BlueprintView], *, tools: frozenset[str], domain: str | None
) -> list[BlueprintView]:
    """Return who could do it, best first: all tools granted, and about the same thing.

    A blueprint made for the task's domain comes before one that only sounds alike.
    """
    able = [
        b
        for b in blueprints
        if tools <= b.tools and (domain in b.domains or b.similarity >= MATCH_MIN)
    ]
    return sorted(able, key=lambda b: (domain not in b.domains, -b.similarity, b.blueprint_id))


def choose(versions: Sequence[VersionRecord], *, rng: Random) -> VersionRecord | None:
    """Return the version to use next, by Thompson sampling; None when there is none."""
    drawn = [(_sample(version, rng), version.version_id, version) for version in versions]
    return max(drawn, key=lambda item: item[:2])[2] if drawn else None


def lot(seed: str) -> Random:
    """Return the chance that a seed stands for, the same in every process."""
    return Random(seed)  # noqa: S311 -- a lot, no secret


def race(versions: Sequence[VersionRecord], *, rng: Random) -> list[Leaving]:
    """Return who is dropped; call it every `RACE_EVERY` results. One always stays."""
    if len(versions) < 2:  # noqa: PLR2004 -- a race needs two
        return []
    wins = dict.fromkeys((version.version_id for version in versions), 0)
    for _ in range(RACE_SAMPLES):
        best = choose(versions, rng=rng)
        assert best is not None
        wins[best.version_id] += 1
    return [
        Leaving(
            version_id=version.version_id,
            reason=(
                f"best in {wins[version.version_id]} of {RACE_SAMPLES} draws "
                f"after {version.n} results (mean {version.total / version.n:.2f})"
            ),
        )
        for version in versions
        if version.n >= LOST_MIN_N and wins[version.version_id] < LOST * RACE_SAMPLES
    ]


def upper_bound(version: VersionRecord) -> float:
    """Return what a version's mean score might be at best."""
    mean, sd = _belief(version)
    return mean + UPPER * sd


def forge_decision(
    candidates: Sequence[BlueprintView],
    *,
    best_upper: float | None,
    floor: float,
    room: int,
    barred: Mapping[str, int],
) -> ForgeDecision:
    """Return what to do when an auction found nobody, or nobody good enough.

    Args:
        candidates: What `match` gave.
        best_upper: The best bidder's upper bound of expected score; None when nobody could bid.
        floor: The operator's.
        room: How many more nodes the caps allow.
        barred: How many nodes each hard filter left out.
    """
    if best_upper is not None and best_upper >= floor:
        return ForgeDecision(
            action=Forge.NOTHING, reason=f"the best bidder may reach {best_upper:.2f}"
        )
    weak = (
        "nobody could bid"
        if best_upper is None
        else f"the best bidder reaches {best_upper:.2f} at most, the floor is {floor:.2f}"
    )
    # They will be back: an outage is no reason to multiply.
    if best_upper is None and barred.get("circuit", 0) > 0:
        return ForgeDecision(action=Forge.NOTHING, reason=f"{weak}, but a circuit is open: wait")
    if room < 1:
        return ForgeDecision(action=Forge.NOTHING, reason=f"{weak}, and the population is full")
    if candidates:
        return ForgeDecision(
            action=Forge.SPAWN,
            reason=f"{weak}, and a blueprint fits",
            blueprint_id=candidates[0].blueprint_id,
        )
    return ForgeDecision(action=Forge.FORGE, reason=f"{weak}, and no blueprint fits")


def evolve_reason(leader: VersionRecord, *, floor: float, since_last: int) -> str | None:
    """Return why the leading version should have a child now, or None."""
    if leader.n >= EVOLVE_MIN_N and upper_bound(leader) < floor:
        return f"at best {upper_bound(leader):.2f}, below the floor {floor:.2f}"
    if since_last >= EVOLVE_EVERY:
        return f"{since_last} results since the last change"
    return None


def challenger_turn(*, rng: Random, share: float = CHALLENGER_SHARE) -> bool:
    """Tell whether this piece of work goes to the challenger."""
    return rng.random() < share


def challenge(leader: VersionRecord, challenger: VersionRecord) -> tuple[Challenge, str]:
    """Return what becomes of a challenger on the evidence so far, and why."""
    (a, a_sd), (b, b_sd) = _belief(leader), _belief(challenger)
    ahead = 0.5 * (1.0 + math.erf((b - a) / math.hypot(a_sd, b_sd) / math.sqrt(2.0)))
    seen = f"better with probability {ahead:.2f} after {challenger.n} results"
    if challenger.n < CHALLENGE_MIN_N:
        return Challenge.GO_ON, f"{challenger.n} of {CHALLENGE_MIN_N} results seen"
    if ahead >= SURE:
        return Challenge.PROMOTE, seen
    if ahead <= 1.0 - SURE:
        return Challenge.ROLL_BACK, seen
    if challenger.n >= CHALLENGE_MAX_N:
        return Challenge.ROLL_BACK, f"{seen}: not clearly better, and its share is used up"
    return Challenge.GO_ON, seen


def _belief(version: VersionRecord) -> tuple[float, float]:
    n = version.n + PRIOR_N
    return (version.total + PRIOR_MEAN * PRIOR_N) / n, SCORE_SD / math.sqrt(n)


def _sample(version: VersionRecord, rng: Random) -> float:
    return rng.gauss(*_belief(version))
