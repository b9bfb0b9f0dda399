"""The whole control plane in the foreground: services, web, worker, beat."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from types import FrameType
from typing import TextIO, cast

from loomsite.embedded import attach, process, services, tokens
from loomsite.embedded.children import Child, stop_all
from loomsite.embedded.errors import AlreadyRunning, EmbeddedError, PortTaken, ServiceFailed
from loomsite.embedded.home import Home, take_lock
from loomsite.embedded.services import Urls

HOST = "127.0.0.1"
FIRST_PORT = 8000
# Longer than clients and proxies keep an idle connection: who closes it first must not be the one
# that is about to be sent a request.
KEEP_ALIVE_S = 75
_PORTS_TRIED = 1000
_READY_TIMEOUT_S = 90.0
_PATIENCE_S = 20.0
_WATCH_EVERY_S = 0.2
_HOUSEKEEPING_EVERY_S = 5.0


class _Stopped(Exception):
    """Raised out of the start by the first signal."""


class Supervisor:
    """Runs until a signal; `run` returns when everything it started has ended."""

    def __init__(
        self,
        home: Home,
        environment: MutableMapping[str, str],
        *,
        workers: int = 1,
        as_json: bool = False,
        out: TextIO,
        err: TextIO,
    ) -> None:
        self._home = home
        self._environment = environment
        self._workers = workers
        self._as_json = as_json
        self._out = out
        self._err = err
        self._children: list[Child] = []
        self._urls = Urls(database_url="", redis_url="")
        self._starting = True
        self._stop_asked = False

    def run(self) -> None:
        """Start everything, keep it alive, and stop it when asked.

        Raises:
            EmbeddedError: One sentence that says why it could not start.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        self._home.prepare()
        lock = self._home.open_lock(attach.UP_LOCK)
        try:
            self._claim(lock)
            if left := attach.stop_leftovers(self._home):
                self._say(f"Stopped what an earlier start left behind: {', '.join(left)}.")
            port = choose_port(self._environment)
            self._say("Starting PostgreSQL and Valkey, where none is named ...")
            with services.held(self._home, self._environment) as urls:
                try:
                    self._start(urls, port)
                    self._watch()
                finally:
                    self._starting = False
                    self._shut_down()
        except _Stopped:
            self._say("Stopped.")
        finally:
            os.close(lock)

    def _claim(self, lock: int) -> None:
        if not take_lock(lock):
            found = attach.running(self._home)
            where = f" at {found.url} (pid {found.pid})" if found else ", still starting"
            raise AlreadyRunning(
                f"This LOOM_HOME is already served{where}: stop it with `make down`, or use another"
                " LOOM_HOME."
            )
        me = process.identify(os.getpid())
        assert me is not None
        os.ftruncate(lock, 0)
        os.write(lock, json.dumps(me.to_record()).encode())

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop_asked = True
        if self._starting:
            self._starting = False
            raise _Stopped

    # ------------------------------------------------------------ start

    def _start(self, urls: Urls, port: int) -> None:
        self._urls = urls
        tokens.provide(self._home, self._environment)
        self._say("Preparing the database ...")
        first_use = self._bootstrap(urls)
        self._children = self._plan(port)
        self._say("Starting web, worker and beat ...")
        for child in self._children:
            child.start(self._home, self._child_environment(urls), now_s=time.monotonic())
        self._record_children()
        self._await_web(port)
        url = f"http://{HOST}:{port}"
        me = process.identify(os.getpid())
        assert me is not None
        record = {**me.to_record(), "url": url, "mcp_url": f"{url}/mcp"}
        self._home.write_record(self._home.up_record, record)
        if self._as_json:
            shown = {name: secret for name, secret in first_use.items() if secret}
            found = {"pid": me.pid, "url": url, "mcp_url": f"{url}/mcp", **shown}
            print(json.dumps(found), file=self._out, flush=True)
        else:
            self._greet(url, first_use)

    def _child_environment(self, urls: Urls) -> dict[str, str]:
        return {
            **attach.child_environment(self._home, self._environment),
            **urls.to_environment(),
            "DJANGO_SETTINGS_MODULE": "loomsite.settings",
        }

    def _bootstrap(self, urls: Urls) -> Mapping[str, str | None]:
        """Migrate and make what a first use needs, in a process that may import Django."""
        done = subprocess.run(
            [sys.executable, "-m", "loomsite", "bootstrap"],
            env=self._child_environment(urls),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=process.leash(signal.SIGKILL),
        )
        log = self._home.logs / "bootstrap.log"
        with suppress(OSError):
            log.write_text(done.stderr, encoding="utf-8")
        if done.returncode != 0:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            reason = lines[-1].removeprefix("loom: ") if lines else f"exit {done.returncode}"
            raise ServiceFailed(f"The database could not be prepared: {reason} (see {str(log)!r})")
        return cast("Mapping[str, str | None]", json.loads(done.stdout))

    def _plan(self, port: int) -> list[Child]:
        python = [sys.executable, "-m"]
        web = f"uvicorn loomsite.asgi:application --host {HOST} --port {port} --no-server-header"
        web += f" --timeout-keep-alive {KEEP_ALIVE_S}"
        web += " --timeout-graceful-shutdown 5 --log-level warning"
        celery = "celery -A loomsite.celery"
        worker = f"{celery} worker --pool threads --concurrency 4 --loglevel INFO"
        worker += " --without-gossip --without-mingle"
        commands = {"web": [*python, *web.split()]}
        for number in range(1, self._workers + 1):
            name = "worker" if self._workers == 1 else f"worker{number}"
            commands[name] = [*python, *worker.split(), "--hostname", f"{name}-{os.getpid()}@%h"]
        beat = f"{celery} beat --loglevel WARNING --pidfile="
        commands["beat"] = [*python, *beat.split()]
        logs = self._home.logs
        return [
            Child(name=name, command=command, log=logs / f"{name}.log")
            for name, command in commands.items()
        ]

    def _await_web(self, port: int) -> None:
        web = self._children[0]
        end = time.monotonic() + _READY_TIMEOUT_S
        while not answers(port):
            if web.popen is None or web.popen.poll() is not None:
                raise ServiceFailed(f"The web process ended: {web.last_words()} ({web.log})")
            if time.monotonic() > end:
                raise ServiceFailed(f"The web process does not answer: see {str(web.log)!r}.")
            time.sleep(_WATCH_EVERY_S)

    def _greet(self, url: str, first_use: Mapping[str, str | None]) -> None:
        lines = [
            "Loom is up.",
            f"  admin  {url}/admin/",
            f"  REST   {url}/api/v1/   (docs {url}/api/docs)",
            f"  MCP    {url}/mcp",
            f"  logs   {self._home.logs}",
        ]
        if first_use.get("admin_password"):
            lines += [
                "First start. These are shown this once:",
                f"  admin user      admin   password  {first_use['admin_password']}",
                f"  API key         {first_use['api_key']}",
            ]
        else:
            lines += [
                "The password and the API key were shown at the first start. For new ones:",
                "  .venv/bin/python manage.py changepassword admin",
                (
                    "  .venv/bin/python manage.py apikey_create --workspace default --user admin"
                    " --scope tasks:read tasks:write"
                ),
            ]
        print("\n".join(lines), "Ctrl-C or `make down` stops it.", sep="\n", file=self._out)
        self._out.flush()

    # ------------------------------------------------------------ watch

    def _watch(self) -> None:
        self._starting = False
        housekeeping_s = 0.0
        while not self._stop_asked:
            now_s = time.monotonic()
            if now_s >= housekeeping_s:
                housekeeping_s = now_s + _HOUSEKEEPING_EVERY_S
                for child in self._children:
                    child.trim_log()
            self._revive_services()
            for child in self._children:
                if news := child.ended(now_s=now_s):
                    self._say(f"{news}. Its last words: {child.last_words() or 'none'}")
                if child.is_due(now_s=now_s):
                    environment = self._child_environment(self._urls)
                    child.start(self._home, environment, now_s=now_s)
                    self._record_children()
            time.sleep(_WATCH_EVERY_S)

    def _revive_services(self) -> None:
        """Start an embedded service again that has died; children keep their addresses."""
        if services.alive(self._home, self._environment):
            return
        self._say("A service has died; starting it again.")
        try:
            urls = services.ensure(self._home, self._environment)
        except EmbeddedError as error:
            self._say(f"{error} Trying again.")
            time.sleep(1.0)
            return
        if urls.to_environment() != self._urls.to_environment():
            self._urls = urls
            self._say("It has another port now; restarting web, worker and beat.")
            stop_all(self._children, patience_s=_PATIENCE_S)

    def _shut_down(self) -> None:
        if self._children:
            self._say("Stopping ...")
        with suppress(OSError):
            self._home.up_record.unlink(missing_ok=True)
        stop_all(self._children, patience_s=_PATIENCE_S)
        with suppress(OSError):
            self._home.children_record.unlink(missing_ok=True)
        if self._children:
            self._say("Stopped.")

    def _record_children(self) -> None:
        known = [
            {"name": child.name, **child.known.to_record()}
            for child in self._children
            if child.known is not None
        ]
        self._home.write_record(self._home.children_record, {"children": known})

    def _say(self, sentence: str) -> None:
        with suppress(OSError):  # the terminal may be gone; the control plane goes on
            print(sentence, file=self._err, flush=True)


def choose_port(environment: Mapping[str, str]) -> int:
    """Return the port to serve on: LOOM_PORT, else the first free one from 8000.

    Raises:
        PortTaken: LOOM_PORT is no port, or somebody listens on it.
    """
    wanted = environment.get("LOOM_PORT", "").strip()
    if not wanted:
        for port in range(FIRST_PORT, FIRST_PORT + _PORTS_TRIED):
            if _is_free(port):
                return port
        raise PortTaken(f"No free port from {FIRST_PORT} on: set LOOM_PORT.")
    if not (wanted.isascii() and wanted.isdigit() and 0 < int(wanted) < 2**16):
        raise PortTaken(f"LOOM_PORT is {wanted!r}: use a number from 1 to 65535.")
    if not _is_free(int(wanted)):
        raise PortTaken(f"Port {wanted} (LOOM_PORT) is in use: choose another or unset LOOM_PORT.")
    return int(wanted)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen()
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Tell whether the web process answers on this port."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/health/live")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
