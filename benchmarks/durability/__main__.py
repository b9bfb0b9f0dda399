"""The chaos check: workers are killed again and again, and nothing is lost, repeated or changed.

    python -m benchmarks.durability [--tasks 100] [--kill-every-s 10] [--json FILE]

Half of the tasks split into parts that build on each other. The same tasks run twice, undisturbed
and under kills, each over a database of its own; then everything that was recorded is compared. A
worker is killed each time all of them have taken tasks for `--kill-every-s`: a killer faster than
the workers' start would leave nobody to work.
DATABASE_URL and REDIS_URL are used where they are set, else the embedded services are started.
Exit code 0 when every promise held, 1 when one was broken.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.durability.stack import Plane, Started, plane, say, wait_for
from loomsite.embedded import process, services
from loomsite.embedded.home import Home

_OURS = ("LOOM_", "OPENAI_", "DJANGO_", "SECRET_KEY")
TOLD_EACH_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the check was asked to do."""

    tasks: int
    workers: int
    lease_s: float
    kill_every_s: float
    latency_ms: float
    timeout_s: float
    seed: int


@dataclass(slots=True, kw_only=True)
class Measured:
    """What one run of all tasks came to."""

    seconds: float = 0.0
    kills: int = 0
    tasks_in_trees: int = 0
    takeovers: int = 0
    takeover_max_s: float = 0.0
    statuses: dict[str, int] = field(default_factory=dict[str, int])
    answers: list[str | None] = field(default_factory=list[str | None], repr=False)
    broken: dict[str, int] = field(default_factory=dict[str, int])


def goal(number: int) -> str:
    """Return the goal of a task: every second one lists parts, some of which build on others."""
    if number % 2:
        return f"Explain number {number}."
    return (
        f"About number {number}:\n1. name its factors\n2. explain the factors, see part 1\n"
        f"3. tell a story of it\n4. sum up parts 2 and 3"
    )


# Each counts what must not be there.
PROMISES = {
    "not succeeded": "SELECT count(*) FROM cluster_task WHERE status <> 'succeeded'",
    "phases recorded twice": (
        "SELECT coalesce(sum(n - 1), 0)::int FROM (SELECT count(*) AS n FROM cluster_phaserecord"
        " GROUP BY task_id, cycle, phase) t WHERE n > 1"
    ),
    "phases missing": (
        "SELECT count(*) FROM (SELECT t.id FROM cluster_task t LEFT JOIN cluster_phaserecord p"
        " ON p.task_id = t.id AND p.cycle = t.cycle GROUP BY t.id HAVING count(p.id) <> 6) t"
    ),
    "capabilities updated twice": (
        "SELECT coalesce(sum(n - 1), 0)::int FROM (SELECT count(*) AS n FROM cluster_marketentry"
        " GROUP BY task_id, cycle, node_id, evaluation) t WHERE n > 1"
    ),
    "ledger revisions missing": (
        "SELECT count(*) FROM (SELECT f.id FROM cluster_family f LEFT JOIN cluster_marketentry m"
        " ON m.family_id = f.id GROUP BY f.id HAVING count(m.id) <> f.rev) t"
    ),
    "effects twice": (
        "SELECT count(*) FROM (SELECT 1 FROM agents_tooleffect GROUP BY run_id, key"
        " HAVING count(*) > 1) t"
    ),
    "still claimed": (
        "SELECT count(*) FROM cluster_task WHERE lease_until IS NOT NULL OR claimed_by <> ''"
    ),
    "still busy": "SELECT coalesce(sum(busy), 0)::int FROM cluster_agentnode",
    "slots still held": "SELECT count(*) FROM cluster_assignment WHERE state = 'active'",
    "money still reserved": "SELECT count(*) FROM agents_reservation WHERE state = 'open'",
    "gaps in events": (
        "SELECT count(*) FROM (SELECT 1 FROM cluster_event GROUP BY task_id"
        " HAVING count(*) <> max(seq)) t"
    ),
}


def run(told: Told, over: Plane, *, disturb: bool) -> Measured:
    """Let all tasks run to their ends and return what came of it."""
    measured = Measured()
    over.start_web()
    workers = [over.start_worker(n) for n in range(told.workers)]
    wait_for(lambda: all(worker.is_ready for worker in workers), "the workers")
    began = time.monotonic()
    ids = [over.submit({"goal": goal(n), "max_cycles": 1}) for n in range(told.tasks)]
    rng = random.Random(told.seed)  # noqa: S311 -- whom to kill
    next_kill = time.monotonic() + told.kill_every_s
    next_told = 0.0
    while left := over.rows("SELECT count(*) FROM cluster_task WHERE finished_at IS NULL")[0][0]:
        now = time.monotonic()
        if now - began > told.timeout_s:
            break
        if now > next_told:
            next_told = now + TOLD_EACH_S
            say(sys.stderr, f"  {now - began:5.1f} s: {left} tasks left, {measured.kills} kills")
        if not all(worker.is_ready for worker in workers):
            next_kill = now + told.kill_every_s
        elif disturb and now > next_kill:
            _replace(over, workers, rng.choice(workers))
            measured.kills += 1
        process.wait_until(lambda: False, timeout_s=0.25)
    measured.seconds = round(time.monotonic() - began, 2)
    _look(over, ids, measured)
    return measured


def _replace(over: Plane, workers: list[Started], victim: Started) -> None:
    number = workers.index(victim)
    victim.kill()
    workers[number] = over.start_worker(number)


def _look(over: Plane, ids: list[str], measured: Measured) -> None:
    """Read what was recorded."""
    answers = dict(
        over.rows("SELECT id::text, answer FROM cluster_task WHERE id = ANY(%s::uuid[])", ids)
    )
    measured.answers = [answers[task_id] for task_id in ids]
    measured.tasks_in_trees = over.rows("SELECT count(*) FROM cluster_task")[0][0]
    measured.statuses = dict(
        over.rows("SELECT status, count(*) FROM cluster_task GROUP BY status ORDER BY status")
    )
    measured.takeovers = over.rows(
        "SELECT count(*) FROM cluster_event WHERE type = 'task.taken_over'"
    )[0][0]
    slowest = over.rows(
        "SELECT max(e.at - greatest(dead.seen_at, taker.started_at)) FROM cluster_event e"
        " JOIN cluster_worker dead ON dead.name = e.data->>'previous'"
        " JOIN cluster_worker taker ON taker.name = e.data->>'worker'"
        " WHERE e.type = 'task.taken_over' AND dead.seen_at < e.at"
    )[0][0]
    measured.takeover_max_s = round(slowest.total_seconds(), 2) if slowest else 0.0
    for promise, query in PROMISES.items():
        count = over.rows(query)[0][0]  # pyright: ignore[reportArgumentType] -- constants above
        if count:
            measured.broken[promise] = int(count)


@contextmanager
def model_server(folder: Path, latency_ms: float, environment: dict[str, str]) -> Iterator[str]:
    """Run the model behind both runs and give its address."""
    port = process.free_port()
    host = Plane(folder=folder, environment=environment)
    server = host.start(
        "model",
        f"benchmarks.durability.model --port {port} --latency-ms {latency_ms:g}".split(),
    )
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.kill()


def check(told: Told) -> dict[str, Any]:
    """Run everything twice and return the report."""
    clean = {name: v for name, v in os.environ.items() if not name.startswith(_OURS)}
    with tempfile.TemporaryDirectory(prefix="loom-durability-") as root:
        folder = Path(root)
        with (
            services.held(Home(root=folder / "home"), os.environ, throwaway=True) as urls,
            model_server(folder, told.latency_ms, clean) as model_url,
        ):
            environment = {
                **clean,
                "LOOM_HOME": str(folder / "home"),
                "LOOM_LEASE_S": f"{told.lease_s:g}",
                "OPENAI_BASE_URL": model_url,
                "OPENAI_API_KEY": "benchmark",
            }
            came: dict[str, Measured] = {}
            for number, name in enumerate(("undisturbed", "disturbed")):
                say(sys.stderr, f"{name}:")
                with plane(urls, number, folder / name, environment) as over:
                    came[name] = run(told, over, disturb=name == "disturbed")
    return report(told, came["undisturbed"], came["disturbed"])


def report(told: Told, calm: Measured, chaos: Measured) -> dict[str, Any]:
    """Return what is printed and written."""
    differing = sum(a != b for a, b in zip(calm.answers, chaos.answers, strict=True))
    shown: Callable[[Measured], dict[str, Any]] = lambda m: {  # noqa: E731 -- one dict twice
        name: value for name, value in asdict(m).items() if name != "answers"
    }
    return {
        "told": asdict(told),
        "undisturbed": shown(calm),
        "disturbed": shown(chaos),
        "answers_differing": differing,
        "ok": not (calm.broken or chaos.broken or differing),
    }


def main() -> int:
    """Run the check and return the exit code."""
    parser = argparse.ArgumentParser(description="Kill workers and compare.")
    parser.add_argument("--tasks", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--lease-s", type=float, default=3.0)
    parser.add_argument("--kill-every-s", type=float, default=10.0)
    parser.add_argument("--latency-ms", type=float, default=2000.0)
    parser.add_argument("--timeout-s", type=float, default=900.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, default=None, metavar="FILE")
    given = vars(parser.parse_args())
    file: Path | None = given.pop("json")
    came = check(Told(**given))
    text = json.dumps(came, indent=2)
    say(sys.stdout, text)
    if file is not None:
        file.write_text(text + "\n", encoding="utf-8")
    return 0 if came["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
