"""The state of each part: what it is, how fast it answers, and what to do about a fault."""

import os
import platform
import shutil
import stat
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
import redis
import tiktoken
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from kombu.exceptions import OperationalError as BrokerError

from agents import wiring as agents_wiring
from knowledge import wiring as knowledge_wiring
from knowledge.core.errors import KnowledgeError
from loomsite.access.core.errors import WorkspaceUnknown
from loomsite.access.selectors import workspace_id_of
from loomsite.celery import app as celery_app
from loomsite.embedded import attach, services
from loomsite.embedded.errors import EmbeddedError
from loomsite.embedded.home import Home
from loomsite.management.database import database_fault

_LOW_DISK_BYTES = 1024**3
_TIMEOUT_S = 5.0
Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was found about one part; `advice` says what to do when it is not ok."""

    name: str
    status: Status = "ok"
    detail: str
    version: str | None = None
    latency_ms: float | None = None
    advice: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class _Watch:
    """Milliseconds since the start."""

    def __init__(self) -> None:
        self._start_s = time.perf_counter()

    @property
    def ms(self) -> float:
        return round((time.perf_counter() - self._start_s) * 1000, 1)


def checkup() -> list[Check]:
    """Return a check of every part; none of them raises and none waits longer than seconds."""
    home = Home(root=settings.LOOM_HOME)
    return [
        _python(),
        _home(home),
        _secrets_key(home),
        *_database(home),
        _broker(),
        _web(home),
        _workers(home),
        _beat(home),
        _model(),
        _embedder(),
        _tokens(),
    ]


def _python() -> Check:
    return Check(
        name="python",
        version=platform.python_version(),
        detail=f"{sys.executable} on {platform.system()} {platform.machine()}",
    )


def _home(home: Home) -> Check:
    try:
        home.prepare()
    except EmbeddedError as error:
        return Check(
            name="home", status="fail", detail=str(error), advice="See the sentence above."
        )
    free = shutil.disk_usage(home.root).free
    mode = stat.S_IMODE(home.root.stat().st_mode)
    detail = f"{home.root}: {free / 2**30:.1f} GB free, mode {mode:o}"
    if mode & 0o077:
        advice = f"Others can read it: chmod 700 {str(home.root)!r}."
        return Check(name="home", status="warn", detail=detail, advice=advice)
    if free < _LOW_DISK_BYTES:
        advice = "Free some disk space; below 64 MB Loom does not start."
        return Check(name="home", status="warn", detail=detail, advice=advice)
    return Check(name="home", detail=detail)


def _secrets_key(home: Home) -> Check:
    if os.environ.get("LOOM_SECRETS_KEY", "").strip():
        return Check(name="secrets key", detail="from LOOM_SECRETS_KEY")
    path = home.root / "secrets" / "secrets_key"
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0
    if mode & 0o077:
        advice = f"Others can read it: chmod 600 {str(path)!r}."
        return Check(
            name="secrets key", status="fail", detail=f"{path}, mode {mode:o}", advice=advice
        )
    return Check(name="secrets key", detail=f"{path} (back it up: sealed secrets need it)")


def _database(home: Home) -> list[Check]:
    """Return what concerns the database; the rest is not asked when it cannot be reached."""
    watch = _Watch()
    if fault := database_fault():
        reason, advice = _why_no_database(home, fault)
        return [Check(name="postgres", status="fail", detail=reason, advice=advice)]
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        row = cursor.fetchone()
    latency_ms = watch.ms
    version = str(row[0]) if row else None
    database = settings.DATABASES["default"]
    where = f"{database['HOST'] or 'local socket'}:{database['PORT'] or 5432}/{database['NAME']}"
    detail = f"{_origin(home)} at {where}"
    postgres = Check(name="postgres", version=version, latency_ms=latency_ms, detail=detail)
    return [postgres, _pgvector(), _migrations()]


def _origin(home: Home) -> str:
    running = services.known(home).get("DATABASE_URL", "")
    port = settings.DATABASES["default"]["PORT"]
    is_embedded = bool(running) and str(urlsplit(running).port) == str(port)
    return "embedded" if is_embedded else "DATABASE_URL"


def _why_no_database(home: Home, fault: str) -> tuple[str, str]:
    if os.environ.get("DATABASE_URL", "").strip():
        advice = "Start it, correct DATABASE_URL, or unset it to use an embedded one."
        return fault, advice
    try:
        with services.held(home, os.environ):
            return "It started only now.", "Run doctor again."
    except EmbeddedError as reason:
        return str(reason), f"See {str(home.logs / 'postgres.log')!r}, or set DATABASE_URL."


def _pgvector() -> Check:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT installed_version, default_version FROM pg_available_extensions"
            " WHERE name = 'vector'"
        )
        row = cursor.fetchone()
    if row is None:
        advice = "Install pgvector on the server of DATABASE_URL, or unset DATABASE_URL."
        return Check(name="pgvector", status="fail", detail="not available", advice=advice)
    if row[0] is None:
        advice = "Run `python manage.py migrate` as a role that may create extensions."
        return Check(
            name="pgvector", status="warn", version=row[1], detail="not created", advice=advice
        )
    return Check(name="pgvector", version=row[0], detail="installed in this database")


def _migrations() -> Check:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        return Check(
            name="migrations",
            status="warn",
            detail=f"{len(missing)} not applied",
            advice="Run `python manage.py migrate`; `make up` does so too.",
        )
    return Check(name="migrations", detail="all applied")


def _broker() -> Check:
    watch = _Watch()
    try:
        with _redis() as client:
            client.ping()
            latency_ms = watch.ms
            facts: dict[str, Any] = client.info()
    except redis.RedisError as error:
        advice = "Start it or correct REDIS_URL; tasks wait in Postgres and lose nothing meanwhile."
        detail = " ".join(str(error).split())[:300]
        return Check(name="broker", status="fail", detail=detail, advice=advice)
    version = str(facts.get("valkey_version") or facts.get("redis_version"))
    at = urlsplit(settings.REDIS_URL)
    where = f"{facts.get('server_name', 'redis')} at {at.hostname or at.path}:{at.port or ''}"
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        return Check(
            name="broker",
            status="warn",
            version=version,
            latency_ms=latency_ms,
            detail=f"{where}, maxmemory-policy {policy}",
            advice="Set maxmemory-policy noeviction: a full server would drop messages.",
        )
    return Check(name="broker", version=version, latency_ms=latency_ms, detail=where)


@contextmanager
def _redis() -> Generator[redis.Redis]:
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S
    )
    try:
        yield client
    finally:
        client.close()


_START = "`make up` starts it."


def _web(home: Home) -> Check:
    found = attach.running(home)
    if found is None:
        return Check(name="web", status="warn", detail="not running here", advice=_START)
    watch = _Watch()
    try:
        answer = httpx.get(f"{found.url}/health/ready", timeout=_TIMEOUT_S)
    except httpx.HTTPError as error:
        detail = f"{found.url} does not answer ({type(error).__name__})"
        advice = f"See {str(home.logs / 'web.log')!r}."
        return Check(name="web", status="fail", detail=detail, advice=advice)
    if answer.status_code != httpx.codes.OK:
        detail = f"{found.url}/health/ready says {answer.status_code}"
        advice = f"See {str(home.logs / 'web.log')!r}."
        return Check(name="web", status="fail", detail=detail, advice=advice)
    return Check(name="web", latency_ms=watch.ms, detail=found.url)


def _workers(home: Home) -> Check:
    is_up = attach.running(home) is not None
    watch = _Watch()
    try:
        with celery_app.connection_for_write(connect_timeout=2) as broker:
            replies = celery_app.control.ping(timeout=1.0, connection=broker)
    except (OSError, redis.RedisError, BrokerError):
        return Check(name="workers", status="fail", detail="no broker", advice="See broker.")
    names = sorted(name for reply in replies or [] for name in reply)
    if names:
        return Check(name="workers", latency_ms=watch.ms, detail=", ".join(names))
    if is_up:
        advice = f"See {str(home.logs / 'worker.log')!r}."
        return Check(name="workers", status="fail", detail="none answers", advice=advice)
    return Check(name="workers", status="warn", detail="none is running", advice=_START)


def _beat(home: Home) -> Check:
    names = [name for name, _ in attach.leftovers(home)]
    if "beat" in names:
        return Check(name="beat", detail="running")
    if attach.running(home) is not None and names:
        advice = f"See {str(home.logs / 'beat.log')!r}."
        return Check(name="beat", status="fail", detail="not running", advice=advice)
    return Check(name="beat", status="warn", detail="not running here", advice=_START)


def _model() -> Check:
    """Say which model answers in the default workspace; an endpoint of the environment is asked."""
    if settings.OPENAI_BASE_URL or settings.OPENAI_API_KEY:
        return _endpoint(settings.OPENAI_BASE_URL or "https://api.openai.com/v1")
    try:
        facts = agents_wiring.model_describe(workspace_id_of(slug="default"))
    except (WorkspaceUnknown, DatabaseError):
        detail = "there is no default workspace yet"
        return Check(name="model", status="warn", detail=detail, advice=_START)
    advice = "Set OPENAI_BASE_URL and OPENAI_API_KEY, or start Ollama, for a language model."
    if fault := facts.get("error"):
        return Check(name="model", status="fail", detail=fault, advice=advice)
    if facts["kind"] == "extractive":
        return Check(name="model", status="warn", detail=facts["sentence"], advice=advice)
    return Check(name="model", detail=facts["sentence"])


def _endpoint(base_url: str) -> Check:
    watch = _Watch()
    headers = (
        {"Authorization": f"Bearer {settings.OPENAI_API_KEY}"} if settings.OPENAI_API_KEY else {}
    )
    try:
        answer = httpx.get(f"{base_url.rstrip('/')}/models", headers=headers, timeout=_TIMEOUT_S)
        listed = [str(each["id"]) for each in answer.raise_for_status().json()["data"]]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        reason = f"HTTP {status}" if status else type(error).__name__
        return Check(
            name="model",
            status="fail",
            detail=f"{base_url} does not list its models ({reason})",
            advice="Start it, or correct OPENAI_BASE_URL and OPENAI_API_KEY.",
        )
    wanted = settings.LOOM_MODEL or (listed[0] if len(listed) == 1 else "")
    names = ", ".join(sorted(listed)[:10])
    if not wanted or (settings.LOOM_MODEL and wanted not in listed):
        return Check(
            name="model",
            status="warn" if wanted else "fail",
            latency_ms=watch.ms,
            detail=f"{base_url} lists {names or 'nothing'}; LOOM_MODEL is {wanted or 'unset'}",
            advice="Set LOOM_MODEL to one of them.",
        )
    return Check(name="model", latency_ms=watch.ms, detail=f"{wanted} at {base_url}")


def _embedder() -> Check:
    engine = knowledge_wiring.embedder()
    try:
        engine.embed(["warm up"])
        watch = _Watch()
        engine.embed(["How long does one sentence take?"])
    except KnowledgeError as error:
        advice = "Run `make setup` again, or correct LOOM_EMBEDDING_MODEL."
        return Check(name="embedder", status="fail", detail=str(error), advice=advice)
    return Check(
        name="embedder", latency_ms=watch.ms, detail=f"{engine.model_id}, {engine.dim} dimensions"
    )


def _tokens() -> Check:
    folder = os.environ.get("TIKTOKEN_CACHE_DIR", "")
    if not folder or not any(Path(folder).glob("[0-9a-f]*")):
        return Check(
            name="tokens",
            status="warn",
            detail="no token tables on disk",
            advice="Run `make setup` again; without them counting needs the network.",
        )
    watch = _Watch()
    tiktoken.get_encoding("o200k_base").encode("warm", disallowed_special=())
    return Check(name="tokens", latency_ms=watch.ms, version=tiktoken.__version__, detail=folder)
