"""Measure the agent runtime beside the bare client it stands on.

    python -m benchmarks.runtime [--repeat 5] [--cases single,stream] [--json FILE]

Every case runs in a process of its own, against the benchmark's scripted server. `cpu_ratio` is the
median of pairs with the bare client in that process; the row `bare` is the bare client against
itself and shows the noise.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

CASES = ("import", "init", "single", "tool1", "tool10", "stream", "conc50", "conv30", "fault")
ROWS = {
    "import": ("rss_mb", "wall_ms", "modules"),
    "init": ("agent_ms", "agent_kb"),
    "single": ("cpu_ratio", "cpu_ms"),
    "tool1": ("cpu_ratio", "cpu_ms"),
    "tool10": ("cpu_ratio", "cpu_ms"),
    "stream": ("cpu_ratio", "cpu_ms"),
    "conc50": ("cpu_ratio", "thr_ratio", "p99_ms"),
    "conv30": ("prompt_tokens", "tools_bytes_per_req", "keeps_turn1"),
}
LIMIT_S = 400


def main() -> int:
    """Print the table; return 1 when a case failed."""
    parser = argparse.ArgumentParser(description="The agent runtime beside the bare client.")
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--total", type=int, default=500, help="runs in conc50")
    parser.add_argument("--json", type=Path)
    told = parser.parse_args()
    bench = Path(os.environ.get("LOOM_BENCH", "../shared/bench")).resolve()
    if not (bench / "runtime" / "worker.py").exists():
        print(f"No benchmark at {bench}: set LOOM_BENCH to its folder.", file=sys.stderr)
        return 1
    server, url = _server(bench)
    results: dict[str, dict[str, Any]] = {}
    try:
        for case in told.cases.split(","):
            for peer in _peers(case):
                repeat = 1 if case in ("fault", "conv30") else told.repeat
                runs = [_case(bench, peer, case, url, told.total) for _ in range(repeat)]
                rows = [row for run in runs for row in run]
                results[f"{case}/{peer}"] = _summary(case, rows)
                print(_line(case, peer, results[f"{case}/{peer}"]), flush=True)
    finally:
        server.terminate()
        server.wait()
    if told.json:
        told.json.parent.mkdir(parents=True, exist_ok=True)
        told.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return 1 if any("failed" in result for result in results.values()) else 0


def _peers(case: str) -> tuple[str, ...]:
    if case == "fault":
        return ("ours",)
    return ("bare", "ours", "ours_compact") if case == "conv30" else ("bare", "ours")


def _server(bench: Path) -> tuple[subprocess.Popen[bytes], str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = bench / "runtime" / "fake_openai.py"
    server = subprocess.Popen(  # noqa: S603 -- our own interpreter
        [sys.executable, str(program), "--port", str(port)]
    )
    for _ in range(400):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return server, f"http://127.0.0.1:{port}"
    server.kill()
    raise SystemExit("The benchmark's server did not start.")


def _case(bench: Path, peer: str, case: str, url: str, total: int) -> list[dict[str, Any]]:
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.runtime.worker"]
    command += ["--peer", peer, "--case", case, "--server", url, "--total", str(total)]
    environment = {**os.environ, "LOOM_BENCH": str(bench)}
    ended = subprocess.run(  # noqa: S603 -- our own interpreter
        command, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    rows = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
    return rows or [{"failed": ended.stderr[-500:] or f"exit code {ended.returncode}"}]


def _summary(case: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    failed = next((row["failed"] for row in rows if "failed" in row), None)
    if failed:
        return {"failed": failed}
    if case == "fault":
        return {row["fault"]: row["result"] for row in rows}
    summary: dict[str, Any] = {}
    for name in ROWS[case]:
        values = [row[name] for row in rows]
        summary[name] = values[0] if isinstance(values[0], bool) else statistics.median(values)
    return summary


def _line(case: str, peer: str, result: dict[str, Any]) -> str:
    shown = "  ".join(
        f"{name} {value:.3f}" if isinstance(value, float) else f"{name} {value}"
        for name, value in result.items()
    )
    return f"{case:8} {peer:13} {shown}"


if __name__ == "__main__":
    sys.exit(main())
