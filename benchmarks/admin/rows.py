"""Rows for a big instance, made in SQL: what a year of work leaves behind, in minutes."""

from collections.abc import Callable
from typing import Final

from django.apps import apps
from django.db import connection

AGENTS: Final = 200
STEPS: Final = 2_000  # of the one long run
LIVE: Final = 1_000  # tasks that have not ended
_SECONDS_APART: Final = 8  # a million tasks are three months

# What a column without a default is filled with, by its type.
_ZERO: Final = {
    "boolean": "false",
    "integer": "0",
    "bigint": "0",
    "smallint": "0",
    "numeric": "0",
    "double precision": "0",
    "uuid": "gen_random_uuid()",
    "jsonb": "'{}'",
    "bytea": "''",
    "timestamp with time zone": "now()",
    "date": "current_date",
    "ARRAY": "'{}'",
}
_AT = "now() - (({n} - i) * interval '8 seconds')"
_HOME = "CASE WHEN i % 10 = 0 THEN {other} ELSE {big} END"
_OF = "md5('{name}' || {i})::uuid"

Say = Callable[[str], None]


class Filler:
    """Fill tables with `INSERT … SELECT`.

    A column that has to have a value and is not named gets one of `self.usual`, by its name, else a
    zero of its type.
    """

    def __init__(self, *, count: int, big: str, other: str) -> None:
        self.count = count
        self.big = f"'{big}'::uuid"
        self._names = {"n": str(count), "big": f"'{big}'::uuid", "other": f"'{other}'::uuid"}
        self.usual = {
            "workspace_id": self.home(),
            "task_id": of("task"),
            "root_task_id": of("task"),
            "run_id": of("run"),
        }

    def home(self) -> str:
        """Return the expression of row i's workspace: one in ten is another tenant's."""
        return _HOME.format(**self._names)

    def at(self) -> str:
        """Return the expression of row i's time; the last is now."""
        return _AT.format(**self._names)

    def fill(self, label: str, count: int | None = None, /, **columns: str) -> None:
        """Make `count` rows of a model; `columns` are SQL expressions over `i`, from 1 on."""
        table = apps.get_model(label)._meta.db_table  # noqa: SLF001 -- Django's public hook
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT column_name, data_type FROM information_schema.columns"
                " WHERE table_name = %s AND is_nullable = 'NO' AND column_default IS NULL"
                " AND is_identity = 'NO'",
                [table],
            )
            needed = {
                name: self.usual.get(name, _ZERO.get(kind, "''"))
                for name, kind in cursor.fetchall()
            }
            values = needed | columns
            names = ", ".join(f'"{name}"' for name in values)
            cursor.execute(
                f"INSERT INTO {table} ({names}) SELECT {', '.join(values.values())}"  # noqa: S608 -- constants of this file
                f" FROM generate_series(1, {count or self.count}) AS i"
            )


def of(name: str, i: str = "i") -> str:
    """Return the expression of the i-th row's id of a kind."""
    return _OF.format(name=name, i=i)


def agent(shift: int = 0) -> str:
    """Return the expression of the agent that did the i-th thing; agents keep to a workspace."""
    # One in ten tasks is the other tenant's: its agents are those whose number divides by ten.
    theirs, ours = 10 + 10 * shift, f"(i + {shift}) % 9 + 1 + i % {AGENTS // 10} * 10"
    return of("agent", f"(CASE WHEN i % 10 = 0 THEN {theirs} ELSE {ours} END)")


def node(shift: int = 0) -> str:
    """Return the expression of the node that did the i-th thing."""
    return agent(shift).replace("'agent'", "'node'")


def make(*, count: int, big: str, other: str, say: Say) -> str:
    """Fill the database and return the id of the task with the long run."""
    filler = Filler(count=count, big=big, other=other)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # the keys are right by design
    for name, part in _PARTS.items():
        say(name)
        part(filler)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = DEFAULT")
        say("statistics")
        cursor.execute("ANALYZE")
        cursor.execute("SELECT md5('task' || %s)::uuid", [_long(filler)])
        row = cursor.fetchone()
    assert row is not None
    return str(row[0])


def _long(filler: Filler) -> int:
    return filler.count - filler.count % 10 - LIVE - 1  # an ended one of the big workspace


def _population(f: Filler) -> None:
    at = f.at()
    f.fill(
        "agents.Endpoint",
        2,
        id=of("endpoint"),
        slug="'endpoint-' || i",
        base_url="'https://models.example.com/v1'",
        source="'operator'",
        enabled="true",
    )
    f.fill(
        "agents.Agent",
        AGENTS,
        id=of("agent"),
        slug="'agent-' || i",
        name="'Agent ' || i",
        max_steps="20",
        timeout_s="600",
        enabled="true",
        tools="'[]'",
        scenes="'[]'",
        skills="'[]'",
        collections="'[]'",
        domains="'[]'",
    )
    f.fill(
        "agents.AgentVersion",
        AGENTS,
        id=of("version"),
        agent_id=of("agent"),
        number="1",
        spec="'{}'",
    )
    f.fill("cluster.Domain", 20, slug="'domain-' || i", description="'Work'")
    f.fill("cluster.Family", AGENTS, slug="'family-' || i", v="1", slope_v="1")
    f.fill(
        "cluster.AgentNode",
        AGENTS,
        id=of("node"),
        agent_id=of("agent"),
        family_id="i",
        v="1",
        slots="16",
        created_at=at,
        state="(ARRAY['active','active','active','quarantined','retired'])[i % 5 + 1]",
    )
    f.fill(
        "cluster.LifecycleEvent",
        f.count // 100,
        node_id=node(),
        kind="'born'",
        reason="'Forged for a domain'",
        at=at,
    )
    f.fill(
        "cluster.Blueprint",
        AGENTS,
        id=of("blueprint"),
        slug="'blueprint-' || i",
        version="1",
        state="'active'",
    )


def _tasks(f: Filler) -> None:
    live = f"i > {f.count - LIVE}"
    final = (
        "(CASE WHEN i % 100 < 85 THEN 'succeeded' WHEN i % 100 < 97 THEN 'failed'"
        " ELSE 'cancelled' END)"
    )
    open_ = "(ARRAY['queued','running','running','waiting','input_required'])[i % 5 + 1]"
    ended = f"CASE WHEN {live} THEN NULL ELSE {f.at()} + (i % 300) * interval '1 second' END"
    f.fill(
        "cluster.Task",
        id=of("task"),
        goal="'Compare offer ' || i || ' with the one of last year and say what changed'",
        status=f"CASE WHEN {live} THEN {open_} ELSE {final} END",
        outcome=f"CASE WHEN {live} THEN NULL ELSE {final} END",
        phase=f"CASE WHEN {live} AND i % 5 IN (1, 2) THEN 'execute' END",
        checks="'[]'",
        collections="'[]'",
        tools="'[]'",
        citations="'[]'",
        max_cycles="2",
        cycle="1",
        door="'rest'",
        actor="'key:abc'",
        score="(i % 100) / 100.0",
        verified="true",
        answer="'It grew by ' || i % 40 || ' per cent.'",
        cost_usd="(i % 1000) / 100000.0",
        created_at=f.at(),
        started_at=f.at(),
        finished_at=ended,
        due_at=f"CASE WHEN {live} AND i % 5 = 0 THEN {f.at()} END",
        lease_until=f"CASE WHEN {live} AND i % 5 IN (1, 2) THEN now() + interval '1 hour' END",
        event_seq="2",
        prompt_tokens="900",
        completion_tokens="150",
    )


def _journal(f: Filler) -> None:
    ended = f"{f.at()} + (i % 300) * interval '1 second'"
    f.fill(
        "cluster.PhaseRecord",
        cycle="1",
        attempt="1",
        phase="(ARRAY['sense','match','scale','execute','evaluate','adapt'])[i % 6 + 1]",
        started_at=f.at(),
        ended_at=ended,
    )
    f.fill("cluster.Event", seq="1", type="'task.created'", at=f.at())
    f.fill("cluster.Event", seq="2", type="'task.finished'", at=f.at())
    f.fill("access.IdempotencyKey", f.count // 10, key="'key-' || i")
    f.fill(
        "access.AuditEntry",
        workspace_id=f.home(),
        actor="'user:olga'",
        door="'admin'",
        action="'task.cancel'",
        target=f"{of('task')}::text",
        at=f.at(),
    )


def _market(f: Filler) -> None:
    f.fill(
        "cluster.Auction",
        id=of("auction"),
        cycle="1",
        complexity="0.4",
        winner_id=node(),
        reason="'won as the best value'",
        held_at=f.at(),
        tools="'[]'",
        weights="'{\"domain-1\": 1.0}'",
    )
    f.fill("cluster.Bid", auction_id=of("auction"), node_id=node(), rank="1", bid="0.5")
    f.fill("cluster.Bid", auction_id=of("auction"), node_id=node(1), rank="2", bid="0.4")
    f.fill(
        "cluster.Assignment",
        cycle="1",
        node_id=node(),
        state="'released'",
        started_at=f.at(),
    )
    f.fill(
        "cluster.Reward",
        cycle="1",
        node_id=node(),
        score="0.7",
        verified="true",
        outcome="'succeeded'",
        components="'[]'",
        at=f.at(),
    )
    f.fill(
        "cluster.MarketEntry",
        task_id=of("task"),
        family_id=f"(i % {AGENTS}) + 1",
        rev="i",
        cycle="1",
        node_id=node(),
        kind="'score'",
        score="0.7",
        complexity="0.4",
        at=f.at(),
    )


def _runs(f: Filler) -> None:
    step = _long(f)
    f.fill(
        "agents.Run",
        id=of("run"),
        agent_id=agent(),
        version_id=agent().replace("'agent'", "'version'"),
        goal="'Compare'",
        status="'ended'",
        stop="'answered'",
        citations="'[]'",
        model="'large'",
        step_count=f"CASE WHEN i = {step} THEN {STEPS} ELSE 1 END",
        started_at=f.at(),
        ended_at=f"{f.at()} + interval '9 seconds'",
    )
    message = """'{"role": "assistant", "content": "It grew."}'"""
    f.fill(
        "agents.Step",
        index="0",
        message=message,
        model="'large'",
        finish_reason="'stop'",
        latency_ms="800",
        created_at=f.at(),
    )
    long_one = (
        """jsonb_build_object('role', 'assistant', 'content', repeat('A line of thought. ', 40))"""
    )
    report = (
        """'{"context": [{"source": "memory", "tokens": 300, "left_out": 2,"""
        """ "why": "over budget"}]}'"""
    )
    f.fill(
        "agents.Step",
        STEPS - 1,
        workspace_id=f.big,
        run_id=of("run", str(step)),
        index="i",
        message=long_one,
        report=report,
        model="'large'",
        latency_ms="(i % 40) * 50",
        finish_reason="'tool_calls'",
        prompt_tokens="i * 10",
        completion_tokens="60",
        created_at="now()",
    )
    f.fill(
        "agents.ToolEffect",
        STEPS - 1,
        workspace_id=f.big,
        run_id=of("run", str(step)),
        key="'call-' || i",
        step="i",
        tool="'search_knowledge'",
        arguments='\'{"query": "offer"}\'',
        state="'done'",
        result="repeat('A passage. ', 60)",
        begun_at="now()",
    )
    f.fill(
        "agents.ToolEffect",
        f.count // 2,
        key="'k'",
        tool="'calculator'",
        state="'done'",
        begun_at=f.at(),
    )
    f.fill(
        "agents.UsageEntry",
        task_id=of("task"),
        root_task_id=of("task"),
        run_id=of("run"),
        agent_id=agent(),
        purpose="'run'",
        model="'large'",
        endpoint="'one'",
        prompt_tokens="900",
        completion_tokens="150",
        cost_usd="0.004",
        at=f.at(),
    )
    f.fill(
        "agents.Violation",
        f.count // 10,
        run_id=of("run"),
        agent_id=agent(),
        key="'k'",
        tool="'http_fetch'",
        reason="'denied'",
        at=f.at(),
    )
    f.fill(
        "agents.Artifact",
        f.count // 10,
        task_id=of("task"),
        run_id=of("run"),
        id=of("artifact"),
        name="'report.md'",
        media_type="'text/markdown'",
        created_at=f.at(),
    )
    f.fill(
        "agents.Approval",
        f.count // 10,
        id=of("approval"),
        key="'k'",
        kind="'approval'",
        question="'May I send it?'",
        options='\'["approve", "deny"]\'',
        created_at=f.at(),
        status="CASE WHEN i % 1000 = 1 THEN 'open' ELSE 'answered' END",
        answered_at=f"CASE WHEN i % 1000 = 1 THEN NULL ELSE {f.at()} END",
    )
    f.fill(
        "agents.Reservation",
        f.count // 10,
        key="'k' || i",
        state="'settled'",
        created_at=f.at(),
    )
    f.fill(
        "agents.Session",
        f.count // 10,
        id=of("session"),
        key="'session-' || i",
        agent_id=agent(),
        updated_at=f.at(),
    )


def _knowledge(f: Filler) -> None:
    f.fill(
        "agents.MemoryEntry",
        id=of("memory"),
        scope="'workspace'",
        kind="'fact'",
        text="'Fact number ' || i",
        importance="0.5",
        text_sha256="md5('a' || i) || md5('b' || i)",
        review="CASE WHEN i % 50000 = 0 THEN 'pending' ELSE 'accepted' END",
        topic=f"CASE WHEN i % 4 = 0 THEN 'topic-' || i % {max(f.count // 8, 1)} ELSE '' END",
        valid_until=f"CASE WHEN i % 10 = 3 THEN {f.at()} END",
        created_at=f.at(),
        valid_from=f.at(),
    )
    f.fill(
        "agents.MemoryUse",  # the older half of the entries was used, the newer half never
        f.count // 2,
        memory_id=of("memory"),
        score="0.5",
        used_at=f.at(),
    )
    f.fill(
        "knowledge.Collection",
        20,
        slug="'collection-' || i",
        name="'Collection ' || i",
        kind="'documents'",
        language="'english'",
    )
    f.fill(
        "knowledge.Document",
        f.count // 10,
        id=of("document"),
        collection_id="CASE WHEN i % 10 = 0 THEN 10 ELSE i % 9 + 1 END",
        external_id="'doc-' || i",
        title="'Document ' || i",
        status="'ready'",
        text="'Some text.'",
        created_at=f.at(),
        updated_at=f.at(),
    )


_PARTS: Final[dict[str, Callable[[Filler], None]]] = {
    "population": _population,
    "tasks": _tasks,
    "journal": _journal,
    "market": _market,
    "runs": _runs,
    "knowledge": _knowledge,
}
