"""The doors and the worker: how long a request takes, how many tasks a worker ends, at what cost.

    python -m benchmarks.api [--tasks 200] [--requests 200] [--json FILE]

One web process and one worker over a database of their own, with a model server that answers at
once. Statements are counted in the worker itself; CPU is that of its process. DATABASE_URL and
REDIS_URL are used where they are set, else the embedded services are started.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.durability.stack import Plane, plane, say, wait_for
from loomsite.embedded import process, services
from loomsite.embedded.home import Home

TIMEOUT_S = 600.0
SHOWN = 40
_OURS = ("LOOM_", "OPENAI_", "DJANGO_", "SECRET_KEY")


@dataclass(slots=True, kw_only=True)
class Measured:
    """What was measured.

    Attributes:
        tasks_per_s: That one worker ended, all submitted before it began.
        cpu_ms_per_task: Of the worker's process; Postgres's own is not among it.
        statements: Of the worker a task, most frequent first, with their text.
        doors_ms: p50 and p95 of each kind of request, one at a time.
    """

    tasks_per_s: float = 0.0
    cpu_ms_per_task: float = 0.0
    statements_per_task: float = 0.0
    statements: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]], repr=False)
    doors_ms: dict[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])


def work(over: Plane, tasks: int) -> Measured:
    """Let one worker end tasks that wait for it, and return what that took."""
    counted = over.folder / "statements.json"
    over.environment |= {
        "DJANGO_SETTINGS_MODULE": "benchmarks.api.counting",
        "LOOM_BENCH_STATEMENTS": str(counted),
    }
    worker = over.start_worker(0)
    wait_for(lambda: worker.is_ready, "the worker")
    over.submit({"goal": "The first one warms up.", "max_cycles": 1})
    _ended(over)
    time.sleep(2)
    known = psutil.Process(worker.popen.pid)
    before, cpu = _counts(counted), sum(known.cpu_times()[:2])
    began = time.monotonic()
    for number in range(tasks):
        over.submit({"goal": f"Explain number {number}.", "max_cycles": 1})
    _ended(over)
    seconds, cpu = time.monotonic() - began, sum(known.cpu_times()[:2]) - cpu
    time.sleep(2)
    spent = {text: n - before.get(text, 0) for text, n in _counts(counted).items()}
    failed = over.rows("SELECT count(*) FROM cluster_task WHERE status <> 'succeeded'")[0][0]
    worker.kill()  # the doors are measured without it
    if failed:
        raise SystemExit(f"{failed} tasks did not succeed.")
    return Measured(
        tasks_per_s=round(tasks / seconds, 2),
        cpu_ms_per_task=round(cpu / tasks * 1000, 1),
        statements_per_task=round(sum(spent.values()) / tasks, 1),
        statements=sorted(((round(n / tasks, 2), text) for text, n in spent.items()), reverse=True),
    )


def doors(over: Plane, requests: int) -> dict[str, tuple[float, float]]:
    """Return p50 and p95, in milliseconds, of each kind of request."""
    with httpx.Client(
        base_url=f"{over.url}/api/v1/",
        headers={"Authorization": f"Bearer {over.api_key}"},
        timeout=30,
    ) as client:
        made: list[str] = []
        calls: dict[str, Callable[[int], httpx.Response]] = {
            "submit a task": lambda n: client.post("tasks", json={"goal": f"Wait {n}."}),
            "read a task": lambda n: client.get(f"tasks/{made[n % len(made)]}"),
            "list 20 tasks": lambda _: client.get("tasks"),
            "read a task's events": lambda n: client.get(f"tasks/{made[n % len(made)]}/events"),
        }
        return {name: _timed(call, requests, made) for name, call in calls.items()}


def _timed(
    call: Callable[[int], httpx.Response], requests: int, made: list[str]
) -> tuple[float, float]:
    spent: list[float] = []
    for number in range(-5, requests):
        began = time.perf_counter()
        answer = call(number)
        if number >= 0:
            spent.append((time.perf_counter() - began) * 1000)
        answer.raise_for_status()
        if answer.status_code == httpx.codes.CREATED:
            made.append(answer.json()["id"])
    cuts = statistics.quantiles(spent, n=20)
    return round(statistics.median(spent), 1), round(cuts[18], 1)


def _ended(over: Plane) -> None:
    until = time.monotonic() + TIMEOUT_S
    while over.rows("SELECT count(*) FROM cluster_task WHERE finished_at IS NULL")[0][0]:
        if time.monotonic() > until:
            raise SystemExit(f"The tasks did not end in {TIMEOUT_S:.0f} s.")
        time.sleep(0.1)


def _counts(path: Path) -> dict[str, int]:
    return json.loads(path.read_text())


def main() -> None:
    """Measure, and say it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--json", type=Path)
    told = parser.parse_args()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_OURS)}
    with tempfile.TemporaryDirectory() as folder:
        home = Home(root=Path(folder) / "home")
        home.root.mkdir()
        with services.held(home, os.environ, throwaway=True) as urls:
            port = process.free_port()
            environment = kept | {
                "LOOM_HOME": str(home.root),
                "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1",
                "OPENAI_API_KEY": "benchmark",
            }
            with plane(urls, 0, Path(folder) / "plane", environment) as over:
                over.start(
                    "model",
                    f"benchmarks.durability.model --port {port} --latency-ms 0".split(),
                )
                over.start_web()
                measured = work(over, told.tasks)
                measured.doors_ms = doors(over, told.requests)
    _show(measured)
    if told.json:
        found: dict[str, Any] = asdict(measured)
        told.json.write_text(json.dumps(found, indent=2))


def _show(measured: Measured) -> None:
    for count, text in measured.statements[:SHOWN]:
        say(sys.stderr, f"{count:7.2f}  {text[:150]}")
    for name, (p50, p95) in measured.doors_ms.items():
        say(sys.stdout, f"{name:24} p50 {p50:7.1f} ms   p95 {p95:7.1f} ms")
    say(sys.stdout, f"tasks a second, one worker   {measured.tasks_per_s:.2f}")
    say(sys.stdout, f"worker's CPU a task          {measured.cpu_ms_per_task:.1f} ms")
    say(sys.stdout, f"statements a task            {measured.statements_per_task:.1f}")


if __name__ == "__main__":
    main()
