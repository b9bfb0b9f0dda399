"""What splitting was worth so far, for the decision and for people."""

from collections.abc import Mapping
from typing import Any

from cluster.core.auction import BidTerms
from cluster.core.splitting import BINS, EASE, Arm, Rates, SplitTable, Tally
from cluster.models import SplitCell


def split_table(*, workspace_id: str, domain: str) -> SplitTable:
    """Return the cells that a decision in one domain needs."""
    rows = SplitCell.objects.filter(workspace_id=workspace_id, domain__in={domain, ""})
    own: dict[tuple[Arm, int], Tally] = {}
    pooled: dict[tuple[Arm, int], Tally] = {}
    ease: dict[str, Tally] = {}
    for row in rows:
        cell = Tally(n=row.n, total=row.total)
        if row.arm == EASE:
            ease[row.domain] = cell
        else:
            cells = pooled if not row.domain else own
            cells[Arm(row.arm), row.bin] = cell
    nothing = Tally()
    return SplitTable(
        own=own,
        pooled=pooled,
        ease=ease.get(domain, nothing),
        pooled_ease=ease.get("", nothing),
    )


def terms_of(settings: Mapping[str, object]) -> BidTerms:
    """Return a workspace's exchange rates; whatever its settings do not say well is the default."""
    usual = BidTerms()

    def rate(name: str, least: float, most: float, default: float) -> float:
        value = settings.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return default
        return float(value) if least <= value <= most else default

    return BidTerms(
        cost_weight=rate("cost_weight", 0.0, 10.0, usual.cost_weight),
        wait_weight=rate("wait_weight", 0.0, 10.0, usual.wait_weight),
        wait_full_s=rate("wait_full_s", 0.1, 86_400.0, usual.wait_full_s),
    )


def rates_of(settings: Mapping[str, object]) -> Rates:
    """Return what cost and time are worth in a workspace."""
    terms = terms_of(settings)
    return Rates(cost_weight=terms.cost_weight, wait_weight=terms.wait_weight)


def split_report(*, workspace_id: str) -> list[dict[str, Any]]:
    """Return, by domain and complexity, how far each way of working beat its forecast.

    `ease` is how much easier parts were than the whole, in the domain: a part of m has its
    complexity over m to the power of this.
    """
    found: dict[tuple[str, int], dict[str, Any]] = {}
    cells = list(SplitCell.objects.filter(workspace_id=workspace_id).order_by("domain", "bin"))
    ease = {row.domain: row.total / row.n for row in cells if row.arm == EASE and row.n}
    for row in cells:
        if row.arm == EASE:
            continue
        line = found.setdefault(
            (row.domain, row.bin),
            {
                "domain": row.domain or "all",
                "bin": row.bin,
                "lo": row.bin / BINS,
                "hi": (row.bin + 1) / BINS,
                "solo": {"n": 0.0, "mean": None},
                "split": {"n": 0.0, "mean": None},
                "ease": ease.get(row.domain),
            },
        )
        mean = row.total / row.n if row.n else None
        line[row.arm] = {"n": row.n, "mean": mean}
    return list(found.values())
