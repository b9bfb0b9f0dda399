"""Measure the agent runtime beside the bare client it stands on, and beside other frameworks.

    python -m benchmarks.runtime [--repeat 5] [--peer-repeat 1] [--cases single,stream]
        [--peers all] [--total 500] [--json FILE]

Every case runs in a process of its own, against the benchmark's scripted server. `cpu_ratio` is the
median of pairs with the bare client in that process; the row `bare` is the bare client against
itself and shows the noise. Other frameworks are those of the benchmark's `venvs.sh` that have a
virtual environment below `BENCH_VENVS` (default: `venvs` beside the benchmark); each runs in its
own, with its own adapter, paired with the bare client of its own environment. Repeats go round all
rows, so that a busy moment hits all alike. The case `embedding` counts calls of an embedder; it
needs DATABASE_URL, or starts the embedded services.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.runtime import peers, table

CASES = (
    "import", "init", "single", "tool1", "tool10", "stream", "conc50", "conv30", "fault",
    "tokens", "embedding",
)  # fmt: skip
ALONE = {"tokens", "embedding"}  # ours only, without the scripted server
ONCE = {"fault", "conv30"}
LIMIT_S = 400


def main() -> int:
    """Print the tables; return 1 when one of our own cases failed."""
    told = _arguments()
    bench = Path(os.environ.get("LOOM_BENCH", "../shared/bench")).resolve()
    if not (bench / "runtime" / "worker.py").exists():
        print(f"No benchmark at {bench}: set LOOM_BENCH to its folder.", file=sys.stderr)
        return 1
    rows = peers.ours() + peers.others(bench, told.peers)
    cases = told.cases.split(",")
    with peers.scripted_server(bench) as url:
        measured = Measured()
        for case in (case for case in cases if case not in ALONE):
            most = max(told.repeat, told.peer_repeat)
            for turn in range(1 if case in ONCE else most):
                for row in (
                    r
                    for r in rows
                    if r.has(case) and turn < (told.repeat if r.own else told.peer_repeat)
                ):
                    found = _case(bench, row, case, url, told.total)
                    measured.add(case, row.name, found)
                    print(f"{case} {row.name} {turn + 1}: {table.short(found)}", file=sys.stderr)
            measured.write(told.json)  # what was measured stays when a later case breaks off
    for case in (case for case in cases if case in ALONE):
        measured.add(case, "ours", _alone(case))
    measured.write(told.json)
    results = measured.summary()
    print(table.versions(rows))
    print(table.ratios(results))
    print(table.others(results))
    print(table.faults(results))
    failed = [key for key, row in results.items() if "/ours" in key and "failed" in row]
    print(f"failed: {', '.join(failed)}" if failed else "all of ours ran", file=sys.stderr)
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--peer-repeat", type=int, default=1, help="of other frameworks")
    parser.add_argument("--peers", default="all", help="all, none, or names joined by commas")
    parser.add_argument("--total", type=int, default=500, help="runs in conc50")
    parser.add_argument("--json", type=Path)
    told = parser.parse_args()
    unknown = sorted(set(told.cases.split(",")) - set(CASES))
    if unknown:
        parser.error(f"no case is called {unknown[0]!r}; there are: {', '.join(CASES)}")
    return told


@dataclass(slots=True)
class Measured:
    """What the processes printed, by case and row."""

    kept: dict[tuple[str, str], list[dict[str, Any]]] = field(
        default_factory=dict[tuple[str, str], list[dict[str, Any]]]
    )

    def add(self, case: str, row: str, found: list[dict[str, Any]]) -> None:
        self.kept.setdefault((case, row), []).extend(found)

    def write(self, file: Path | None) -> None:
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(self.summary(), indent=2) + "\n", encoding="utf-8")

    def summary(self) -> dict[str, dict[str, Any]]:
        """Return the medians of each case and row; of faults, how each ended."""
        return {f"{case}/{row}": _median(case, found) for (case, row), found in self.kept.items()}


def _median(case: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    failed = next((row["failed"] for row in rows if "failed" in row), None)
    if failed and all("failed" in row for row in rows):
        return {"failed": failed}
    rows = [row for row in rows if "failed" not in row]
    if case == "fault":
        return {row["fault"]: row for row in rows}
    summary: dict[str, Any] = {}
    for name, value in rows[0].items():
        values = [row[name] for row in rows]
        number = isinstance(value, int | float) and not isinstance(value, bool)
        summary[name] = statistics.median(values) if number else value
    return summary


def _case(bench: Path, row: peers.Row, case: str, url: str, total: int) -> list[dict[str, Any]]:
    command = [*row.command(bench), "--peer", row.peer, "--case", case]
    command += ["--server", url, "--total", str(total)]
    try:
        ended = subprocess.run(  # noqa: S603 -- our own interpreter, or a peer's
            command,
            env=row.environment(bench),
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [{"failed": f"not over within {LIMIT_S} s"}]
    found = [printed for line in ended.stdout.splitlines() if (printed := _printed(line))]
    return found or [{"failed": ended.stderr[-500:] or f"exit code {ended.returncode}"}]


def _printed(line: str) -> dict[str, Any] | None:
    """Return the object that a line begins with; a framework may print something behind it."""
    if not line.startswith("{"):
        return None
    try:
        return json.JSONDecoder().raw_decode(line)[0]
    except ValueError:
        return None


def _alone(case: str) -> list[dict[str, Any]]:
    from benchmarks.runtime import alone  # noqa: PLC0415 -- only where such a case is asked for

    return [alone.CASES[case]()]


if __name__ == "__main__":
    sys.exit(main())
