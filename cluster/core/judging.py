"""How the judge is asked, when it is asked again, and how far it is believed.

The judge never learns who wrote an answer. What it should look at comes in another order each time,
so that the order cannot decide; a grade in doubt is asked for again. How far it is believed is
measured on answers of known worth: a judge that always says the same tells nothing, and weighs
nothing.
"""

import hashlib
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from cluster.core.rewards import Reliability, reliability

CRITERIA: Final = (
    "Correct: are its statements true, and its results right?",
    "Complete: is everything there that was asked for?",
    "To the point: does it answer this question, without padding?",
    "Grounded: does it rest on what was given or cited, and say so where it does not know?",
    "As asked: does it keep to the form, the length and the limits that were set?",
)
GRADES_MAX: Final = 3
DOUBT: Final = (0.3, 0.7)
"""A grade in between says neither yes nor no."""
NEAR: Final = 0.15
"""So close to the score that was asked for, the next grade may be on its other side."""
APART: Final = 0.2
"""Two grades that differ by more want a third."""

FEW: Final = 5
"""With fewer known answers nothing can be said of the judge."""
CONSTANT: Final = 0.02
VARIED: Final = 0.1
LENIENT: Final = 0.2
LIVE_CONSTANT_MIN: Final = 20
BASELINE_MIN: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """How a judge did on answers of known worth.

    Attributes:
        brier: Mean squared distance of its grades to the known scores.
        agreement: Share of answers where both are on the same side of .5.
        trust: What its weight is multiplied by, in [0, 1].
        flags: What is wrong with it: constant, inverted, lenient, harsh, uninformative, few.
    """

    n: int
    mae: float | None
    brier: float | None
    agreement: float | None
    correlation: float | None
    spread: float | None
    reliability: Reliability
    trust: float
    flags: tuple[str, ...]
    reason: str


def question(goal: str, answer: str, *, seed: str, turn: int) -> str:
    """Return what the judge is asked: the criteria in a drawn order, the texts in turns."""
    rng = Random(hashlib.sha256(f"{seed}|{turn}".encode()).digest())  # noqa: S311 -- an order, no secret
    criteria = list(CRITERIA)
    rng.shuffle(criteria)
    texts = [f"<asked>\n{goal}\n</asked>", f"<answer>\n{answer}\n</answer>"]
    if turn % 2:
        texts.reverse()
    listed = "\n".join(f"- {criterion}" for criterion in criteria)
    return "\n\n".join([f"Look at each of these, in this order:\n{listed}", *texts])


def another(grades: Sequence[float], *, min_score: float | None) -> bool:
    """Tell whether the judge should look once more."""
    if not grades or len(grades) >= GRADES_MAX:
        return False
    if len(grades) == 1:
        low, high = DOUBT
        near = min_score is not None and abs(grades[0] - min_score) < NEAR
        return low < grades[0] < high or near
    return max(grades) - min(grades) > APART


def grade(grades: Sequence[float]) -> float:
    """Return what several looks come to: their median."""
    return statistics.median(grades)


def measure(pairs: Sequence[tuple[float, float]]) -> Measured:
    """Return how a judge did, from pairs of (known score, its grade).

    It is believed in full from half of the possible improvement over a judge that always says the
    mean of the known scores; not at all when it is no better than that, or always says the same.
    """
    n = len(pairs)
    bins = reliability([(graded, known) for known, graded in pairs])
    if n == 0:
        return _unmeasured(bins)
    known, graded = [k for k, _ in pairs], [g for _, g in pairs]
    brier = sum((g - k) ** 2 for k, g in pairs) / n
    spread, varied = statistics.pstdev(graded), statistics.pstdev(known)
    correlation = _correlation(known, graded)
    bias = statistics.fmean(graded) - statistics.fmean(known)
    flags: list[str] = []
    if n < FEW:
        flags.append("few")
    if spread < CONSTANT and varied > VARIED:
        flags.append("constant")
    if correlation is not None and correlation < 0:
        flags.append("inverted")
    if abs(bias) > LENIENT:
        flags.append("lenient" if bias > 0 else "harsh")
    skill = 1.0 - brier / max(varied**2, BASELINE_MIN)
    trust = 1.0 if n < FEW else min(max(2.0 * skill, 0.0), 1.0)
    if n >= FEW and "constant" in flags:
        trust = 0.0
    if trust == 0.0 and "constant" not in flags:
        flags.append("uninformative")
    return Measured(
        n=n,
        mae=sum(abs(g - k) for k, g in pairs) / n,
        brier=brier,
        agreement=sum((g >= 0.5) == (k >= 0.5) for k, g in pairs) / n,  # noqa: PLR2004 -- the middle
        correlation=correlation,
        spread=spread,
        reliability=bins,
        trust=trust,
        flags=tuple(flags),
        reason=_said(n, brier, varied, trust, flags),
    )


def stuck(grades: Sequence[float], checks: Sequence[float]) -> bool:
    """Tell whether a judge says the same of everything while checks of the same answers differ."""
    if len(grades) < LIVE_CONSTANT_MIN or not checks:
        return False
    return statistics.pstdev(grades) < CONSTANT and statistics.pstdev(checks) > VARIED


def _unmeasured(bins: Reliability) -> Measured:
    return Measured(
        n=0,
        mae=None,
        brier=None,
        agreement=None,
        correlation=None,
        spread=None,
        reliability=bins,
        trust=1.0,
        flags=(),
        reason="not measured",
    )


def _correlation(one: Sequence[float], other: Sequence[float]) -> float | None:
    if statistics.pstdev(one) == 0 or statistics.pstdev(other) == 0:
        return None
    value = statistics.correlation(one, other)
    return value if math.isfinite(value) else None


def _said(n: int, brier: float, varied: float, trust: float, flags: Sequence[str]) -> str:
    if n < FEW:
        return f"{n} known answers, {FEW} are needed to say anything"
    always = f"a constant would have {varied**2:.3f}"
    said = f"squared error {brier:.3f} over {n} known answers ({always}): trusted by {trust:.2f}"
    return f"{said}; it is {', '.join(flags)}" if flags else said
