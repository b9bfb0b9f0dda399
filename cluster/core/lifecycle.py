"""Who stays in the market: circuits, quarantine, probes, release and retirement.

Pure decisions with their reasons. Two things are kept apart on purpose: a *hard error* (timeout,
exception, 5xx, dead endpoint) says that somebody cannot be reached and only ever opens the circuit;
a low *score* says that somebody is not good enough and only ever leads to quarantine, and from
there, after fresh evidence, to release or retirement. Nobody is touched for having no history, for
being idle, for an outage, while busy or splitting, or when the population would become too small.
"""

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

CIRCUIT_ERRORS: Final = 2
"""Hard errors in a row from which the circuit is open."""
CIRCUIT_UNIT_S: Final = 2.0
CIRCUIT_MAX_UNITS: Final = 60.0
CIRCUIT_EXPONENT_MAX: Final = 10
"""Far above the cap; keeps 2**k small after a week of outage."""

EVIDENCE_DECAY: Final = 0.98
EVIDENCE_MIN: Final = 8
SCORE_SD: Final = 0.33
CONFIDENCE: Final = 1.64
PROBES_MIN: Final = 6
PROBES_MAX: Final = 18
PROBE_GAP_S: Final = 60.0
PROBE_SD_MIN: Final = 0.15
RELEASE_MARGIN: Final = 0.5
POPULATION_MIN: Final = 1


class NodeLife(StrEnum):
    """Where a node stands; `RETIRED` is soft and can be undone."""

    ACTIVE = "active"
    QUARANTINED = "quarantined"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """Availability of a node or a provider; closed when `retry_at` is None or past."""

    hard_errors: int = 0
    retry_at: datetime | None = None


CIRCUIT_CLOSED: Final = Circuit()


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A node's evidence for its own life, one row.

    Attributes:
        n: Scored tasks, discounted; `total` is their sum of scores, discounted alike.
        probe_n: Probes since quarantine began, with sum and sum of squares of their scores.
    """

    life: NodeLife = NodeLife.ACTIVE
    n: float = 0.0
    total: float = 0.0
    probe_n: int = 0
    probe_total: float = 0.0
    probe_squares: float = 0.0
    probed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a verdict about a node depends on besides its own record.

    Attributes:
        floor: The operator's: a mean score below which a node is not worth a slot; 0 never judges.
        active_count: Active nodes of the workspace, this one included.
        engaged: The node is busy, or waits for its own children.
    """

    floor: float
    active_count: int
    min_nodes: int = POPULATION_MIN
    engaged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of a node, and why; `record` is the row to keep."""

    record: Record
    event: str | None
    reason: str


def hard_error(circuit: Circuit, *, now: datetime) -> Circuit:
    """Return the circuit after a hard error; from the second in a row it is open for a while."""
    k = circuit.hard_errors + 1
    if k < CIRCUIT_ERRORS:
        return Circuit(hard_errors=k, retry_at=None)
    units = 2.0 * 2.0 ** min(k - CIRCUIT_ERRORS, CIRCUIT_EXPONENT_MAX)
    pause = timedelta(seconds=min(units, CIRCUIT_MAX_UNITS) * CIRCUIT_UNIT_S)
    return Circuit(hard_errors=k, retry_at=now + pause)


def circuit_accepts(circuit: Circuit, *, now: datetime, busy: int) -> bool:
    """Tell whether work may go there: closed, or half open and nobody is trying it yet."""
    if circuit.hard_errors < CIRCUIT_ERRORS or circuit.retry_at is None:
        return True
    return circuit.retry_at <= now and busy == 0


def probe_due(record: Record, *, now: datetime, gap_s: float = PROBE_GAP_S) -> bool:
    """Tell whether a quarantined node may be tried on one task now."""
    if record.life is not NodeLife.QUARANTINED:
        return False
    return record.probed_at is None or now - record.probed_at >= timedelta(seconds=gap_s)


def scored(record: Record, score: float, *, now: datetime) -> Record:
    """Return the record after one evaluated score of the node; hard errors never come here."""
    if record.life is NodeLife.QUARANTINED:
        return replace(
            record,
            probe_n=record.probe_n + 1,
            probe_total=record.probe_total + score,
            probe_squares=record.probe_squares + score * score,
            probed_at=now,
        )
    return replace(
        record, n=EVIDENCE_DECAY * record.n + 1.0, total=EVIDENCE_DECAY * record.total + score
    )


def judge(record: Record, around: Surroundings) -> Decision:
    """Return what becomes of the node on the evidence of its record.

    `event` is `quarantined`, `released`, `retired` or None when nothing changes; `reason` is
    written for the operator in every case.
    """
    if record.life is NodeLife.RETIRED:
        return Decision(record=record, event=None, reason="already retired")
    if around.engaged:
        return Decision(record=record, event=None, reason="busy or splitting: judged when done")
    if record.life is NodeLife.ACTIVE:
        return _judge_active(record, around)
    return _judge_quarantined(record, around)


def revive(record: Record) -> Record:
    """Return the row of a node that an operator takes back: active, with a clean record."""
    return replace(Record(), life=NodeLife.ACTIVE, probed_at=record.probed_at)


def _judge_active(record: Record, around: Surroundings) -> Decision:
    if record.n < EVIDENCE_MIN:
        return Decision(
            record=record,
            event=None,
            reason=f"{record.n:.1f} scored tasks count, {EVIDENCE_MIN} are needed to judge",
        )
    mean = record.total / record.n
    upper = mean + CONFIDENCE * SCORE_SD / math.sqrt(record.n)
    seen = f"mean {mean:.2f} over {record.n:.1f} tasks, at best {upper:.2f}"
    if upper >= around.floor:
        return Decision(record=record, event=None, reason=f"{seen}: not below {around.floor:.2f}")
    if around.active_count <= around.min_nodes:
        return Decision(
            record=record,
            event=None,
            reason=f"{seen}: below {around.floor:.2f}, but only {around.active_count} are active",
        )
    return Decision(
        record=Record(life=NodeLife.QUARANTINED, n=record.n, total=record.total),
        event="quarantined",
        reason=f"{seen}: below the floor {around.floor:.2f}",
    )


def _judge_quarantined(record: Record, around: Surroundings) -> Decision:
    k = record.probe_n
    if k < PROBES_MIN:
        return Decision(record=record, event=None, reason=f"{k} of {PROBES_MIN} probes seen")
    mean = record.probe_total / k
    spread = math.sqrt(max(record.probe_squares / k - mean * mean, 0.0))
    se = max(spread, PROBE_SD_MIN) / math.sqrt(k)
    seen = f"mean {mean:.2f} ± {se:.2f} over {k} probes"
    if mean + se < around.floor and around.active_count < around.min_nodes:
        return Decision(
            record=record,
            event=None,
            reason=(
                f"{seen}: still below the floor {around.floor:.2f}, but only "
                f"{around.active_count} are active, and {around.min_nodes} have to stay"
            ),
        )
    if mean + se < around.floor:
        return Decision(
            record=replace(record, life=NodeLife.RETIRED),
            event="retired",
            reason=f"{seen}: still below the floor {around.floor:.2f}",
        )
    if mean - RELEASE_MARGIN * se > around.floor or k >= PROBES_MAX:
        why = "above" if mean > around.floor else "not clearly below"
        return Decision(
            record=Record(), event="released", reason=f"{seen}: {why} the floor {around.floor:.2f}"
        )
    return Decision(record=record, event=None, reason=f"{seen}: not clear yet")
