"""How forecasts of success came true."""

from collections import defaultdict
from typing import Any

from cluster.models import Calibration

_BINS = 10


def reliability(*, workspace_id: str) -> dict[str, Any]:
    """Return forecasts by tenths, over all domains and for each, with their Brier scores."""
    rows = Calibration.objects.filter(workspace_id=workspace_id, n__gt=0).select_related("domain")
    by_bin: dict[int, list[Calibration]] = defaultdict(list)
    by_domain: dict[str, list[Calibration]] = defaultdict(list)
    for row in rows.order_by("domain__slug", "bin"):
        by_bin[row.bin].append(row)
        by_domain[row.domain.slug].append(row)
    every = [row for group in by_bin.values() for row in group]
    return {
        **_summed(every),
        "bins": [
            {"low": bin_ / _BINS, "high": (bin_ + 1) / _BINS, **_summed(by_bin[bin_])}
            for bin_ in sorted(by_bin)
        ],
        "domains": [{"domain": slug, **_summed(group)} for slug, group in by_domain.items()],
    }


def _summed(rows: list[Calibration]) -> dict[str, Any]:
    n = sum(row.n for row in rows)
    if not n:
        return {"n": 0, "forecast": None, "came": None, "brier": None}
    return {
        "n": n,
        "forecast": sum(row.forecast_sum for row in rows) / n,
        "came": sum(row.score_sum for row in rows) / n,
        "brier": sum(row.squared_error_sum for row in rows) / n,
    }
