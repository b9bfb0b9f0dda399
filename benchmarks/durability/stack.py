"""A control plane of the check's own: a database, a web process, workers that may be killed."""

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString, TextIO
from urllib.parse import urlsplit, urlunsplit

import psycopg
import redis
from psycopg import sql

from loomsite.embedded import process
from loomsite.embedded.services import Urls

START_TIMEOUT_S = 90.0
_PYTHON = [sys.executable, "-m"]


@dataclass(slots=True, kw_only=True)
class Started:
    """A process, and the file it writes to."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def is_ready(self) -> bool:
        return self.popen.poll() is None and b" takes tasks" in self.log.read_bytes()

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait()


@dataclass(slots=True, kw_only=True)
class Plane:
    """The processes over one database."""

    folder: Path
    environment: dict[str, str]
    api_key: str = ""
    url: str = ""
    started: list[Started] = field(default_factory=list[Started])

    def start(self, name: str, arguments: Sequence[str]) -> Started:
        """Start a process of Python's; it writes to a file of its own."""
        log = self.folder / f"{name}-{len(self.started)}.log"
        output: Any
        with log.open("wb") as output:
            popen = subprocess.Popen(  # noqa: S603 -- our own modules
                [*_PYTHON, *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=process.leash(signal.SIGKILL),  # noqa: PLW1509 -- one prctl
            )
        one = Started(name=name, popen=popen, log=log)
        self.started.append(one)
        return one

    def start_web(self) -> None:
        """Start the web process and wait until it answers."""
        port = process.free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.start(
            "web", f"uvicorn loomsite.asgi:application --host 127.0.0.1 --port {port}".split()
        )
        wait_for(lambda: _answers(f"{self.url}/health/live"), "the web process")

    def start_worker(self, number: int) -> Started:
        """Start a worker; it takes a few seconds until it takes tasks."""
        command = "celery -A loomsite.celery worker --pool threads --concurrency 2"
        command += f" --without-gossip --without-mingle --hostname w{number}-{len(self.started)}@%h"
        return self.start(f"worker{number}", [*command.split(), "--loglevel", "INFO"])

    def submit(self, body: Mapping[str, Any]) -> str:
        """Submit a task over REST and return its id."""
        request = urllib.request.Request(  # noqa: S310 -- the address is our own
            f"{self.url}/api/v1/tasks",
            data=json.dumps(body).encode(),
            headers={
                "Content-Type": "application/json",
                "Authorization": f"Bearer {self.api_key}",
            },
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 -- as above
            return json.load(answer)["id"]

    def rows(self, query: LiteralString, *parameters: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with psycopg.connect(self.environment["DATABASE_URL"], autocommit=True) as connection:
            return connection.execute(query, parameters).fetchall()

    def stop(self) -> None:
        for one in self.started:
            one.kill()


@contextmanager
def plane(urls: Urls, number: int, folder: Path, environment: Mapping[str, str]) -> Iterator[Plane]:
    """Give a control plane over an empty database; all of it is gone after the block."""
    name = f"loom_durability_{int(time.monotonic() * 1000)}_{number}"
    folder.mkdir(parents=True)
    _run_sql(urls, "CREATE DATABASE {}", name)
    redis_url = _with_path(urls.redis_url, str(14 + number % 2))
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    made = Plane(
        folder=folder,
        environment={
            **environment,
            "DJANGO_SETTINGS_MODULE": "loomsite.settings",
            "DATABASE_URL": _with_path(urls.database_url, name),
            "REDIS_URL": redis_url,
        },
    )
    try:
        done = subprocess.run(  # noqa: S603 -- our own module
            [*_PYTHON, "loomsite", "bootstrap"],
            env=made.environment,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"bootstrap failed: {done.stderr.decode()[-2000:]}")
        made.api_key = json.loads(done.stdout)["api_key"]
        yield made
    finally:
        made.stop()
        _run_sql(urls, "DROP DATABASE {} WITH (FORCE)", name)


def say(out: TextIO, text: str) -> None:
    print(text, file=out, flush=True)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait inside a bound."""
    if not process.wait_until(condition, timeout_s=START_TIMEOUT_S):
        raise SystemExit(f"{what} did not start in {START_TIMEOUT_S:.0f} s.")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 -- our own
            return answer.status == 200  # noqa: PLR2004 -- OK
    except OSError:
        return False


def _run_sql(urls: Urls, statement: LiteralString, name: str) -> None:
    with psycopg.connect(urls.database_url, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(sql.Identifier(name)))


def _with_path(url: str, path: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{path}"))
