"""Workers that are killed: whatever was in flight goes on elsewhere, and nothing happens twice."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import redis
from django.db import connections

from loomsite.embedded import postgres, valkey
from loomsite.embedded.home import Home
from tests.processes import Process, Stack, poll
from tests.requirements import requirement
from tests.support.wire_server import WireServer

LEASE_S = 3
PHASES = ["sense", "match", "scale", "execute", "evaluate", "adapt"]
GATE = 77
# Whoever records the phase that a task's metadata names waits at a gate, in the middle of the
# transaction; so does whoever writes the row that a tool was called for.
GATES = f"""
CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM cluster_task t WHERE t.id = NEW.task_id
             AND t.metadata->>'hold' = NEW.phase) THEN
    PERFORM pg_advisory_xact_lock_shared({GATE});
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER gate BEFORE INSERT ON cluster_phaserecord
  FOR EACH ROW EXECUTE FUNCTION wait_at_gate();
CREATE FUNCTION wait_in_tool() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.text LIKE '%%wait here%%' THEN PERFORM pg_advisory_xact_lock_shared({GATE}); END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER gate BEFORE INSERT ON agents_memoryentry
  FOR EACH ROW EXECUTE FUNCTION wait_in_tool();
CREATE FUNCTION wait_after_tool() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.state = 'done' AND NEW.arguments LIKE '%%and then wait%%' THEN
    PERFORM pg_advisory_xact_lock_shared({GATE});
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER gate BEFORE UPDATE ON agents_tooleffect
  FOR EACH ROW EXECUTE FUNCTION wait_after_tool();
"""


@pytest.fixture
def model() -> Iterator[WireServer]:
    with WireServer() as server:
        yield server


@pytest.fixture
def cluster(stack: Stack, model: WireServer) -> Stack:
    """Return a stack with a web process, short leases and a model; no worker runs yet."""
    stack.environment |= {
        "OPENAI_BASE_URL": model.url,
        "OPENAI_API_KEY": "test",
        "LOOM_LEASE_S": str(LEASE_S),
    }
    stack.start_web()
    return stack


@contextmanager
def rest(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=f"{stack.url}/api/v1/",
        headers={"Authorization": f"Bearer {stack.api_key}"},
        timeout=30,
    ) as client:
        yield client


def make_agents(stack: Stack, *slugs: str) -> None:
    with rest(stack) as client:
        for slug in slugs:
            made = client.post(
                "agents", json={"slug": slug, "name": slug.title(), "tools": ["remember"]}
            )
            assert made.status_code == 201, made.text


def submit(stack: Stack, goal: str, **fields: Any) -> str:
    with rest(stack) as client:
        made = client.post("tasks", json={"goal": goal, **fields})
    assert made.status_code in {200, 201}, made.text
    return made.json()["id"]


def ended(stack: Stack, *ids: str) -> dict[str, str]:
    """Wait for the ends of tasks and return their statuses."""
    query = "SELECT count(*) FROM cluster_task WHERE id = ANY(%s::uuid[]) AND finished_at IS NULL"
    poll(lambda: stack.sql(query, list(ids)) == [(0,)], timeout_s=60)
    query = "SELECT id::text, status FROM cluster_task WHERE id = ANY(%s::uuid[])"
    return dict(stack.sql(query, list(ids)))


@contextmanager
def gate(stack: Stack) -> Iterator[psycopg.Connection]:
    """Keep the gate shut for as long as the block lasts."""
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [GATE])
        yield connection


def waiting(stack: Stack) -> int:
    return stack.sql(
        "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
        " WHERE l.locktype = 'advisory' AND NOT l.granted AND d.datname = current_database()"
    )[0][0]


def kill(stack: Stack, worker: Process) -> Any:
    """Kill a worker and return when, by the database's clock."""
    at = stack.sql("SELECT clock_timestamp()")[0][0]
    worker.kill()
    return at


def assert_taken_over_in_time(stack: Stack, at: Any, *ids: str) -> None:
    rows = stack.sql(
        "SELECT task_id::text, min(at) FROM cluster_event WHERE type = 'task.taken_over'"
        " AND task_id = ANY(%s::uuid[]) GROUP BY task_id",
        list(ids),
    )
    late = {task_id: str(when - at) for task_id, when in rows if when - at > IN_TIME}
    assert set(dict(rows)) == set(ids)
    assert late == {}


IN_TIME = timedelta(seconds=LEASE_S + 2)


def assert_nothing_twice(stack: Stack) -> None:
    """Check what the durable spine promises, over everything that ever ran here."""
    assert (
        stack.sql(
            "SELECT task_id, cycle, phase FROM cluster_phaserecord"
            " GROUP BY task_id, cycle, phase HAVING count(*) > 1"
        )
        == []
    )
    assert (
        stack.sql(
            "SELECT task_id, cycle, node_id, evaluation FROM cluster_marketentry"
            " GROUP BY task_id, cycle, node_id, evaluation HAVING count(*) > 1"
        )
        == []
    )
    assert (
        stack.sql(
            "SELECT run_id, key FROM agents_tooleffect GROUP BY run_id, key HAVING count(*) > 1"
        )
        == []
    )
    assert stack.sql("SELECT n.id FROM cluster_agentnode n WHERE busy <> 0") == []
    assert stack.sql("SELECT id FROM cluster_task WHERE lease_until IS NOT NULL") == []
    assert (
        stack.sql("SELECT task_id FROM cluster_event GROUP BY task_id HAVING count(*) <> max(seq)")
        == []
    )


@requirement("bad_days.worker_killed", "life.phases_once", "life.settle_once")
def test_a_worker_killed_while_it_records_each_of_the_six_phases(cluster: Stack) -> None:
    first = cluster.start_worker()
    make_agents(cluster, *PHASES)
    ended(cluster, submit(cluster, "Say hello."))  # now every agent has its place in the market
    cluster.sql(GATES)  # pyright: ignore[reportArgumentType] -- a constant above
    with gate(cluster):
        tasks = [
            submit(cluster, f"Say {phase}.", agent=phase, metadata={"hold": phase})
            for phase in PHASES
        ]
        poll(lambda: waiting(cluster) == len(PHASES))
        cluster.start_worker()
        at = kill(cluster, first)

    statuses = ended(cluster, *tasks)

    assert set(statuses.values()) == {"succeeded"}
    assert_taken_over_in_time(cluster, at, *tasks)
    recorded = cluster.sql(
        "SELECT task_id::text, array_agg(phase ORDER BY id) FROM cluster_phaserecord"
        " WHERE task_id = ANY(%s::uuid[]) GROUP BY task_id",
        tasks,
    )
    assert recorded == [(task_id, PHASES) for task_id, _ in recorded]
    assert len(recorded) == len(PHASES)
    updates = cluster.sql(
        "SELECT count(*) FROM cluster_marketentry WHERE task_id = ANY(%s::uuid[])", tasks
    )
    assert updates == [(len(PHASES),)]
    assert_nothing_twice(cluster)


@requirement("bad_days.worker_killed", "bad_days.effect_once")
def test_a_worker_killed_in_the_middle_of_model_calls_and_tool_calls(
    cluster: Stack, model: WireServer
) -> None:
    first = cluster.start_worker()
    make_agents(cluster, "ada")
    ended(cluster, submit(cluster, "Say hello."))
    cluster.sql(GATES)  # pyright: ignore[reportArgumentType] -- a constant above
    before_ = model.state.purposes.copy()
    calls = [f"[[{purpose}.fault=hang*1]]" for purpose in ("sense", "run", "judge")]
    notes = ["wait here: cats purr", "dogs bark, and then wait"]
    with gate(cluster):
        tasks = [submit(cluster, f"Say this. {call}") for call in calls]
        tasks += [
            submit(cluster, f'Keep it. [[tool=remember {{"text": "{note}"}}]]') for note in notes
        ]
        poll(
            lambda: (
                waiting(cluster) == len(notes) and model.state.counts["in_flight"] == len(calls)
            ),
            timeout_s=30,
        )
        cluster.start_worker()
        at = kill(cluster, first)

    statuses = ended(cluster, *tasks)

    assert set(statuses.values()) == {"succeeded"}
    assert_taken_over_in_time(cluster, at, *tasks)
    assert sorted(cluster.sql("SELECT text FROM agents_memoryentry")) == [
        (note,) for note in sorted(notes)
    ]
    effects = cluster.sql("SELECT state FROM agents_tooleffect")
    assert effects == [("done",)] * len(notes)
    asked = model.state.purposes - before_
    assert asked["sense"] == len(tasks) + 1  # only the calls in flight are asked again
    assert asked["judge"] == len(tasks) + 1
    assert asked["run"] == len(tasks) + len(notes) + 1
    assert_nothing_twice(cluster)


@requirement("bad_days.broker_flushed")
def test_a_broker_that_is_flushed_loses_nothing(cluster: Stack) -> None:
    tasks = [submit(cluster, f"Say {n}.") for n in range(30)]
    with redis.Redis.from_url(cluster.redis_url) as client:
        assert client.llen("loom") == len(tasks)
        client.flushdb()

    cluster.start_worker()
    poll(lambda: cluster.sql("SELECT 1 FROM cluster_task WHERE finished_at IS NOT NULL"))
    with redis.Redis.from_url(cluster.redis_url) as client:
        client.flushdb()

    assert set(ended(cluster, *tasks).values()) == {"succeeded"}
    assert_nothing_twice(cluster)


@requirement("bad_days.postgres_restarts")
def test_a_worker_goes_on_when_every_connection_is_cut(cluster: Stack, model: WireServer) -> None:
    """What a restart of Postgres is to its clients: every connection ends, again and again."""
    cluster.start_worker()
    model.state.latency_ms = 300
    tasks = [submit(cluster, f"Do:\n1. say {n}\n2. sing {n}, see part 1") for n in range(10)]
    poll(lambda: cluster.sql("SELECT 1 FROM cluster_phaserecord WHERE phase = 'execute'"))

    for _ in range(8):
        cluster.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        poll(lambda: cluster.sql("SELECT 1"), every_s=0.4)

    assert set(ended(cluster, *tasks).values()) == {"succeeded"}
    assert cluster.sql("SELECT id FROM cluster_task WHERE status <> 'succeeded'") == []
    assert_nothing_twice(cluster)


@requirement("bad_days.postgres_restarts", "bad_days.postgres_503", "bad_days.broker_flushed")
def test_database_broker_and_web_are_restarted_in_the_midst_of_tasks(
    cluster: Stack, model: WireServer, loom_home: Path
) -> None:
    home = Home(root=loom_home)
    database, broker = postgres.find(home), valkey.find(home)
    if database is None or broker is None:
        pytest.skip("the services belong to somebody else: they are not ours to restart")
    (web,) = cluster.started
    others = [cluster.start_worker(), cluster.start_beat()]
    model.state.latency_ms = 300
    tasks = [submit(cluster, f"Do:\n1. say {n}\n2. sing {n}, see part 1") for n in range(6)]
    poll(lambda: cluster.sql("SELECT 1 FROM cluster_phaserecord WHERE phase = 'execute'"))
    once = {"goal": "Say it once.", "idempotency_key": "once"}

    connections.close_all()  # of this process, for the tests that follow
    postgres.stop(database)
    with rest(cluster) as client:
        away = [client.get("tasks"), client.post("tasks", json=once)]
    postgres.start(home, port=database.port, throwaway=True)
    valkey.stop(broker)
    valkey.start(home, port=broker.port, throwaway=True)
    tasks.append(submit(cluster, **once))
    web.kill()
    cluster.start_web()

    said = [(each.status_code, each.json()["code"], each.headers["Retry-After"]) for each in away]
    assert said == [(503, "unavailable", "2")] * 2
    assert submit(cluster, **once) == tasks[-1]
    assert set(ended(cluster, *tasks).values()) == {"succeeded"}
    assert cluster.sql("SELECT status, count(*) FROM cluster_task GROUP BY status") == [
        ("succeeded", 6 * 3 + 1)
    ]
    assert [each.name for each in others if not each.is_alive] == []
    assert_nothing_twice(cluster)


def test_a_stopped_worker_hands_its_tasks_on_at_once(cluster: Stack, model: WireServer) -> None:
    first = cluster.start_worker(LOOM_LEASE_S="60")
    make_agents(cluster, "ada")
    ended(cluster, submit(cluster, "Say hello."))
    tasks = [submit(cluster, f"Say {n}. [[run.fault=hang*1]]") for n in range(3)]
    poll(lambda: model.state.counts["in_flight"] == len(tasks))
    cluster.start_worker()

    assert first.stop() == 0

    assert set(ended(cluster, *tasks).values()) == {"succeeded"}
    assert cluster.sql("SELECT max(crash_count) FROM cluster_task") == [(0,)]
    assert_nothing_twice(cluster)


def test_fifty_runs_at_once_share_one_worker_process(cluster: Stack, model: WireServer) -> None:
    cluster.start_worker()
    make_agents(cluster, "ada", "bob", "cy", "dot")
    ended(cluster, submit(cluster, "Say hello."))
    cluster.sql("UPDATE cluster_agentnode SET slots = 50")
    model.state.latency_ms = 500
    tasks = [submit(cluster, f"Say {n}.") for n in range(50)]

    ended(cluster, *tasks)

    ((seconds,),) = cluster.sql(
        "SELECT extract(epoch FROM max(finished_at) - min(created_at))::float FROM cluster_task"
        " WHERE id = ANY(%s::uuid[])",
        tasks,
    )
    assert seconds < 25  # three calls of half a second each: 75 s one after the other
    assert_nothing_twice(cluster)
