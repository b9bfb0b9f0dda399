"""What was measured, as tables for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.runtime.peers import Row

Results = Mapping[str, Mapping[str, Any]]

RATIOS = ("single", "tool1", "tool10", "stream", "conc50")
# What ours may be above the bare client against itself.
LIMITS = {"single": 0.10, "tool10": 0.07, "stream": 0.10, "conc50": 0.10}


def versions(rows: Sequence[Row]) -> str:
    """Return a line for each row's versions."""
    shown = {row.name: row.version() for row in rows}
    return "\n".join(f"{name}: {version}" for name, version in shown.items()) + "\n"


def ratios(results: Results) -> str:
    """Return CPU of a run over that of the bare client beside it, a line for each row."""
    names = list(dict.fromkeys(key.split("/")[1] for key in results))
    lines = [_line(["", *RATIOS]), _line(["---"] * (len(RATIOS) + 1))]
    for name in names:
        cells = [_ratio(results.get(f"{case}/{name}")) for case in RATIOS]
        if any(cells):
            lines.append(_line([name, *cells]))
    if len(lines) == 2:  # noqa: PLR2004 -- the heading alone
        return ""
    limits = [
        f"{_ratio_of(results, case, 'bare') + LIMITS[case]:.2f}"
        if case in LIMITS and _ratio_of(results, case, "bare")
        else ""
        for case in RATIOS
    ]
    lines.append(_line(["limit for ours", *limits]))
    return "\n".join(lines) + "\n"


def others(results: Results) -> str:
    """Return the figures that are no ratios, for each row that has them."""
    wanted = {
        "import": ("rss_mb", "wall_ms", "modules"),
        "init": ("agent_ms", "agent_kb"),
        "conc50": ("thr_ratio", "p99_ms", "errors"),
        "conv30": ("prompt_tokens", "tools_bytes_per_req", "keeps_turn1", "turns_in_last"),
        "tokens": ("ratio",),
        "embedding": ("texts", "calls", "fewer"),
    }
    lines: list[str] = []
    for key, found in results.items():
        names = wanted.get(key.split("/")[0], ())
        shown = [f"{name} {_number(found[name])}" for name in names if name in found]
        if "failed" in found:
            shown = [f"FAILED {str(found['failed'])[-120:]!r}"]
        if shown:
            lines.append(f"{key:22} {'  '.join(shown)}")
    return "\n".join(lines) + "\n"


def faults(results: Results) -> str:
    """Return how each fault ended, a column for each row."""
    rows = {key.split("/")[1]: found for key, found in results.items() if key.startswith("fault/")}
    if not rows:
        return ""
    names = list(dict.fromkeys(name for found in rows.values() for name in found))
    lines = [_line(["fault", *rows]), _line(["---"] * (len(rows) + 1))]
    lines += [_line([name, *(_ending(f.get(name)) for f in rows.values())]) for name in names]
    return "\n".join(lines) + "\n"


def short(found: Sequence[Mapping[str, Any]]) -> str:
    """Return one process's outcome in a few words."""
    first = found[0]
    if "failed" in first:
        return f"FAILED {str(first['failed'])[-160:]!r}"
    if len(found) > 1:
        return ", ".join(f"{row['fault']} {row['result']}" for row in found if "fault" in row)
    return f"cpu_ratio {first['cpu_ratio']:.2f}" if "cpu_ratio" in first else "measured"


def _ratio(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ""
    if "failed" in found or "cpu_ratio" not in found:
        return "failed"
    return f"{found['cpu_ratio']:.2f}" + (" (errors)" if found.get("errors") else "")


def _ratio_of(results: Results, case: str, row: str) -> float:
    return float(results.get(f"{case}/{row}", {}).get("cpu_ratio", 0.0))


def _ending(found: object) -> str:
    if not isinstance(found, dict):
        return "-"
    row: dict[str, Any] = found
    ending = str(row["result"])
    return f"error {row['type']}" if ending == "error" else ending


def _number(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
