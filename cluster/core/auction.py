"""Sealed bids: who may take a task, what each offers, who wins, and why.

The draw that makes bids differ from run to run comes from a hash of task, cycle and node, so the
same rows and the same seed always give the same winner, in any process.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from statistics import NormalDist
from typing import Final

from cluster.core.lifecycle import CIRCUIT_CLOSED, Circuit, NodeLife, circuit_accepts
from cluster.core.posterior import Gaussian, sigmoid

WORK_BASE: Final = 0.3
"""Work of the easiest task; the hardest is one more."""
SECOND_STAGE: Final = 64
BEST_BY_MEAN: Final = 48
EXPLORE: Final = 0.25
"""How far the draw moves a bid, in standard deviations of the belief."""
OPTIMISM: Final = 0.20
"""How far every bid is moved up, in the same unit."""
CROWD: Final = 32
"""Among more bidders exploring each of them pays back less."""
BOLD_SHARE: Final = 0.05
"""Share of auctions in which whoever is hardly known yet is given the benefit of the doubt."""
BOLD: Final = 1.5
"""How far its bid is then moved up, in place of `OPTIMISM`."""
BOLD_V: Final = 2.5
"""Variance of a belief from which a node is hardly known: one or two results end it."""
IN_FLIGHT: Final = 0.15
"""How much of a variance each result under way is expected to take off."""
LOAD_WEIGHT: Final = 0.03
"""Cost of taking a node's last slot: the next task may want it more."""
UNKNOWN: Final = Gaussian(0.0, 1.0)
PROBE_SHARE: Final = 0.05
"""Share of auctions in which a quarantined node may be tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A node as the auction sees it.

    Attributes:
        skill: What is believed of this node at this task.
        price: Expected cost over the workspace's median cost per task.
        expected_cost_usd: What a task like this is expected to cost here; None when not known.
        wait_s: Until a slot is expected to be free.
        tools: Names of the tools that are granted.
        denied_tools: Names that its policy denies, granted or not.
        circuits: Its own and its provider's.
        probe_due: Quarantined, and may be tried again (`lifecycle.probe_due`).
    """

    node_id: str
    family_id: str
    skill: Gaussian = UNKNOWN
    price: float = 1.0
    expected_cost_usd: Decimal | None = None
    wait_s: float = 0.0
    busy: int = 0
    slots: int = 1
    life: NodeLife = NodeLife.ACTIVE
    circuits: tuple[Circuit, ...] = (CIRCUIT_CLOSED,)
    tools: frozenset[str] = frozenset()
    denied_tools: frozenset[str] = frozenset()
    probe_due: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """What a task asks of a node.

    Attributes:
        x: Sensed complexity, in [0, 1].
        tools: Names of the tools that the work needs.
        budget_usd: What is left for this task tree; None is no limit.
        excluded: Node ids left out, such as the one that failed in the cycle before.
        only: Node ids that may bid at all; None is everybody. Who is asked for by name may bid
            while in quarantine.
    """

    x: float
    tools: frozenset[str] = frozenset()
    budget_usd: Decimal | None = None
    excluded: frozenset[str] = frozenset()
    only: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BidTerms:
    """The workspace's exchange rates, and the score scale that answers were measured on.

    Attributes:
        cost_weight: λ, of price.
        wait_weight: μ, of the share of `wait_full_s` that has to be waited.
        lo: Usual score of a bad answer; `hi` of a good one.
    """

    cost_weight: float = 0.15
    wait_weight: float = 0.10
    wait_full_s: float = 20.0
    lo: float = 0.0
    hi: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """Names the one auction whose draws these are."""

    task_id: str
    cycle: int

    def __str__(self) -> str:
        return f"{self.task_id}|{self.cycle}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bid:
    """One sealed bid with every term it was made of.

    Attributes:
        m: Mean of the belief about skill, in logit space.
        v: Its variance.
        xi: The draw, from N(0, 1).
        busy: Slots in use when the bid was made, of `slots`.
        quality: Expected score, draw and optimism included.
        bonus: How much of the quality is draw and optimism.
        cost_term: Subtracted for cost; `wait_term` for waiting; `load_term` for a slot in use.
        probe: A quarantined node that is tried: it is ranked first whatever it bids.
    """

    node_id: str
    family_id: str
    m: float
    v: float
    xi: float
    price: float
    wait_s: float
    busy: int
    slots: int
    quality: float
    bonus: float
    cost_term: float
    wait_term: float
    load_term: float
    bid: float
    probe: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstStage:
    """What a shell that filtered and shortlisted by itself has left out."""

    excluded: Mapping[str, int] = field(default_factory=dict[str, int])
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AuctionResult:
    """All second-stage bids, best first, and who did not get to bid.

    Attributes:
        excluded: How many each hard filter left out, by reason.
        left_out: How many passed the filters and lost in the first stage.
    """

    seed: Seed
    x: float
    terms: BidTerms
    bids: tuple[Bid, ...]
    excluded: Mapping[str, int] = field(default_factory=dict[str, int])
    left_out: int = 0

    @property
    def winner(self) -> Bid | None:
        return self.bids[0] if self.bids else None


def eligible(
    candidates: Iterable[Candidate], requirement: Requirement, *, now: datetime
) -> tuple[list[Candidate], dict[str, int]]:
    """Return who passes the hard filters, and how many each filter left out.

    A node counts once, under the first reason that applies: `retired not_asked excluded
    quarantined circuit tools policy budget`.
    """
    passed: list[Candidate] = []
    reasons: Counter[str] = Counter()
    for candidate in candidates:
        reason = _barred(candidate, requirement, now)
        if reason is None:
            passed.append(candidate)
        else:
            reasons[reason] += 1
    return passed, dict(reasons)


def draw(seed: Seed, node_id: str) -> float:
    """Return this node's draw from N(0, 1) in this auction: the same in every process."""
    digest = hashlib.sha256(f"{seed}|{node_id}".encode()).digest()
    return NormalDist().inv_cdf((int.from_bytes(digest[:6], "big") + 0.5) / 2**48)


def mean_bid(candidate: Candidate, x: float, terms: BidTerms) -> float:
    """Return the bid without draw and optimism, by which the first stage ranks."""
    quality = terms.lo + (terms.hi - terms.lo) * sigmoid(candidate.skill.m)
    return quality - _cost(candidate.price, x, terms) - _wait(candidate.wait_s, terms)


def shortlist(
    candidates: Sequence[Candidate], x: float, terms: BidTerms, seed: Seed
) -> list[Candidate]:
    """Return at most 64: the best 48 by mean and 16 of the others by lot, so nobody is shut out."""
    if len(candidates) <= SECOND_STAGE:
        return list(candidates)
    ranked = sorted(candidates, key=lambda c: (-mean_bid(c, x, terms), c.node_id))
    others = sorted(ranked[BEST_BY_MEAN:], key=lambda c: (lot(seed, c.node_id), c.node_id))
    return ranked[:BEST_BY_MEAN] + others[: SECOND_STAGE - BEST_BY_MEAN]


def lot(seed: Seed, node_id: str) -> str:
    """Return the key by which first-stage places are drawn; SQL can compute the same digest."""
    return hashlib.sha256(f"{seed}|lot|{node_id}".encode()).hexdigest()


def hold(
    candidates: Iterable[Candidate],
    requirement: Requirement,
    *,
    seed: Seed,
    now: datetime,
    terms: BidTerms | None = None,
    before: FirstStage | None = None,
) -> AuctionResult:
    """Return every bid, best first, equal bids by node id; no bids when nobody is eligible.

    Whoever a first stage elsewhere has left out is counted in `before`.
    """
    terms, before = terms or BidTerms(), before or FirstStage()
    passed, barred = eligible(candidates, requirement, now=now)
    excluded = dict(Counter(before.excluded) + Counter(barred))
    due = [c for c in passed if c.probe_due and requirement.only is None]
    active = [c for c in passed if not c.probe_due or requirement.only is not None]
    probe = _probe(due, len(passed), seed)
    resting = len(due) - (probe is not None)
    if resting:
        excluded["quarantined"] = excluded.get("quarantined", 0) + resting
    entrants = shortlist(active, requirement.x, terms, seed)
    left_out = before.left_out + len(active) - len(entrants)
    probes = [] if probe is None else [probe]
    result = AuctionResult(
        seed=seed,
        x=requirement.x,
        terms=terms,
        bids=(),
        excluded=excluded,
        left_out=left_out,
    )
    return _filled(result, entrants, probes)


def replay(result: AuctionResult) -> AuctionResult:
    """Return the same auction held again from its stored rows: each term, the order, the winner."""
    entrants = [(bid.probe, _entrant(bid)) for bid in result.bids]
    return _filled(
        result,
        [entrant for probe, entrant in entrants if not probe],
        [entrant for probe, entrant in entrants if probe],
    )


def _barred(c: Candidate, requirement: Requirement, now: datetime) -> str | None:
    """Return the first reason why this node may not bid."""
    tests = (
        ("retired", c.life is NodeLife.RETIRED),
        ("not_asked", requirement.only is not None and c.node_id not in requirement.only),
        ("excluded", c.node_id in requirement.excluded),
        ("quarantined", _resting(c, requirement)),
        ("circuit", not all(circuit_accepts(k, now=now, busy=c.busy) for k in c.circuits)),
        ("tools", not requirement.tools <= c.tools),
        ("policy", bool(requirement.tools & c.denied_tools)),
        ("budget", _too_dear(c.expected_cost_usd, requirement.budget_usd)),
    )
    return next((reason for reason, applies in tests if applies), None)


def _resting(c: Candidate, requirement: Requirement) -> bool:
    return c.life is NodeLife.QUARANTINED and not c.probe_due and requirement.only is None


def _too_dear(expected: Decimal | None, budget: Decimal | None) -> bool:
    return budget is not None and (budget <= 0 or (expected is not None and expected > budget))


def _probe(due: Sequence[Candidate], passed_count: int, seed: Seed) -> Candidate | None:
    """Draw the quarantined node to try: now and then, or when nobody else could do the task.

    One with a free slot comes before those without.
    """
    spared = int(lot(seed, "probe")[:8], 16) / 16**8 >= PROBE_SHARE
    if not due or (spared and len(due) < passed_count):
        return None
    return min(due, key=lambda c: (c.busy >= c.slots, lot(seed, c.node_id), c.node_id))


def _bold(seed: Seed) -> bool:
    return int(lot(seed, "bold")[:8], 16) / 16**8 < BOLD_SHARE


def _entrant(bid: Bid) -> Candidate:
    return Candidate(
        node_id=bid.node_id,
        family_id=bid.family_id,
        skill=Gaussian(bid.m, bid.v),
        price=bid.price,
        wait_s=bid.wait_s,
        busy=bid.busy,
        slots=bid.slots,
    )


def _filled(
    result: AuctionResult, entrants: Sequence[Candidate], probes: Sequence[Candidate]
) -> AuctionResult:
    """Return the auction with its bids."""
    crowd = len(entrants) + result.left_out
    bids = [_bid(c, result, crowd, probe=False) for c in entrants]
    bids += [_bid(c, result, crowd, probe=True) for c in probes]
    return replace(result, bids=tuple(sorted(bids, key=_rank)))


def _bid(c: Candidate, held: AuctionResult, crowd: int, *, probe: bool) -> Bid:
    terms, v = held.terms, c.skill.v
    xi = draw(held.seed, c.node_id)
    # Results under way will have taught something before this one comes back.
    sd = math.sqrt(v / (1.0 + IN_FLIGHT * c.busy * v))
    hope = BOLD if v >= BOLD_V and _bold(held.seed) else OPTIMISM
    reach = min(1.0, math.sqrt(CROWD / max(crowd, 1))) * (EXPLORE * xi + hope) * sd
    scale = terms.hi - terms.lo
    quality = terms.lo + scale * sigmoid(c.skill.m + reach)
    cost_term = _cost(c.price, held.x, terms)
    wait_term = _wait(c.wait_s, terms)
    load_term = LOAD_WEIGHT * min(c.busy / max(c.slots, 1), 1.0)
    return Bid(
        node_id=c.node_id,
        family_id=c.family_id,
        m=c.skill.m,
        v=v,
        xi=xi,
        price=c.price,
        wait_s=c.wait_s,
        busy=c.busy,
        slots=c.slots,
        quality=quality,
        bonus=scale * (sigmoid(c.skill.m + reach) - sigmoid(c.skill.m)),
        cost_term=cost_term,
        wait_term=wait_term,
        load_term=load_term,
        bid=quality - cost_term - wait_term - load_term,
        probe=probe,
    )


def _cost(price: float, x: float, terms: BidTerms) -> float:
    return terms.cost_weight * price * (WORK_BASE + x)


def _wait(wait_s: float, terms: BidTerms) -> float:
    return terms.wait_weight * min(wait_s / terms.wait_full_s, 1.0)


def _rank(bid: Bid) -> tuple[bool, float, str]:
    return (not bid.probe, -bid.bid, bid.node_id)
