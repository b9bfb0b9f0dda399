"""Processes of ours for end-to-end tests: a database of their own, started, killed, asked."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

import psycopg

from loomsite.embedded import process
from loomsite.embedded.attach import child_environment
from loomsite.embedded.home import Home
from loomsite.embedded.supervisor import KEEP_ALIVE_S, answers

START_TIMEOUT_S = 120.0
_OURS = ("LOOM_", "OPENAI_", "DJANGO_", "PYTEST_")


@dataclass(slots=True, kw_only=True)
class Process:
    """A started process; `kill` is SIGKILL, `stop` is SIGTERM, both wait for its end."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def is_alive(self) -> bool:
        return self.popen.poll() is None

    def log_text(self) -> str:
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        self.popen.kill()
        self.popen.wait(30)

    def stop(self, timeout_s: float = 30) -> int:
        """End the process politely and return its exit code."""
        self.popen.terminate()
        return self.popen.wait(timeout_s)

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Wait inside a bound; fail with the process's log when it ends or takes too long."""
        came = process.wait_until(
            lambda: condition() or not self.is_alive, timeout_s=START_TIMEOUT_S
        )
        if not came or not self.is_alive:
            tail = self.log_text()[-3000:]
            raise AssertionError(f"{self.name} did not {what}; its log ends:\n{tail}")


@dataclass(slots=True, kw_only=True)
class Stack:
    """A control plane taken apart: each process is started, and killed, by the test.

    Change `environment` before a start, for example to name a model server; keyword arguments of a
    start are variables for that process alone.
    """

    home: Path
    database_url: str
    redis_url: str
    api_key: str
    admin_password: str
    environment: dict[str, str]
    url: str = ""
    started: list[Process] = field(default_factory=list)

    def start_web(
        self, *, application: str = "loomsite.asgi:application", **variables: str
    ) -> Process:
        """Start a web process and wait until it answers; `url` is where."""
        port = process.free_port()
        command = f"uvicorn {application} --host 127.0.0.1 --port {port}"
        command += f" --timeout-keep-alive {KEEP_ALIVE_S}"
        web = self.start("web", ["-m", *command.split()], **variables)
        web.wait_for(lambda: answers(port), "answer")
        self.url = f"http://127.0.0.1:{port}"
        known = process.identify(web.pid)
        assert known is not None
        home = Home(root=self.home)
        record = {**known.to_record(), "url": self.url, "mcp_url": f"{self.url}/mcp"}
        home.write_record(home.up_record, record)
        return web

    def start_worker(self, **variables: str) -> Process:
        """Start a worker and wait until it is ready for work."""
        command = "celery -A loomsite.celery worker --pool threads --concurrency 4 --loglevel INFO"
        name = f"worker{len(self.started)}"
        command += f" --without-gossip --without-mingle --hostname {name}@%h"
        worker = self.start(name, ["-m", *command.split()], **variables)
        worker.wait_for(lambda: "ready." in worker.log_text(), "become ready")
        return worker

    def start_beat(self, **variables: str) -> Process:
        """Start the scheduler."""
        command = "celery -A loomsite.celery beat --loglevel INFO --pidfile="
        beat = self.start("beat", ["-m", *command.split()], **variables)
        beat.wait_for(lambda: "beat: Starting" in beat.log_text(), "start")
        return beat

    def start(self, name: str, arguments: Sequence[str], **variables: str) -> Process:
        """Start Python with these arguments; it dies with the test run at the latest."""
        log = self.home / f"{name}-{len(self.started)}.log"
        with log.open("wb") as output:
            popen = subprocess.Popen(
                [sys.executable, *arguments],
                env={**self.environment, **variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=process.leash(signal.SIGKILL),  # noqa: PLW1509 -- one prctl
            )
        started = Process(name=name, popen=popen, log=log)
        self.started.append(started)
        return started

    def manage(
        self, *arguments: str, stdin: str | None = None, timeout_s: float = 90, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a management command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "loomsite", *arguments],
            env={**self.environment, **variables},
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def sql(self, query: LiteralString, *parameters: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query; none for a statement without rows."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []

    def stop(self) -> None:
        """Kill whatever still runs."""
        for each in self.started:
            with suppress(ProcessLookupError):
                each.kill()


def environment(home: Path, database_url: str, redis_url: str) -> dict[str, str]:
    """Return the environment of a stack's processes: this one's without any setting of ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return child_environment(
        Home(root=home),
        {
            **kept,
            "DJANGO_SETTINGS_MODULE": "loomsite.settings",
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
        },
    )


def bootstrap(variables: dict[str, str]) -> dict[str, str]:
    """Prepare a database for first use; return the admin's password and a key."""
    done = subprocess.run(
        [sys.executable, "-m", "loomsite", "bootstrap"],
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def poll(condition: Callable[[], Any], *, timeout_s: float = 60, every_s: float = 0.05) -> Any:
    """Return the condition's first true value; fail when there is none in time."""
    end = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < end, f"nothing in {timeout_s:g} s"
        time.sleep(every_s)
    return value
