"""`up` and `down`, as a person types them."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

from loomsite.embedded import attach, postgres, process, services
from loomsite.embedded.home import Home
from tests.processes import Process, environment, poll
from tests.requirements import requirement

UP_TIMEOUT_S = 90


@dataclass(slots=True, kw_only=True)
class Checkout:
    """One LOOM_HOME and the commands typed in it; no variable names a service."""

    home: Home
    started: list[Process] = field(default_factory=list)

    def variables(self, **extra: str) -> dict[str, str]:
        return {**environment(self.home.root, "", ""), **extra}

    def type(self, *words: str, **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "loomsite", *words],
            env=self.variables(**extra),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=UP_TIMEOUT_S,
            check=False,
        )

    def up(self, *words: str, **extra: str) -> Process:
        """Start `up` and wait until it says where it is."""
        log = self.home.root.with_name(f"up-{len(self.started)}.log")
        with log.open("wb") as output:
            popen = subprocess.Popen(
                [sys.executable, "-m", "loomsite", "up", *words],
                env=self.variables(**extra),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        started = Process(name="up", popen=popen, log=log)
        self.started.append(started)
        started.wait_for(lambda: attach.running(self.home) is not None, "come up")
        return started

    def processes(self) -> list[psutil.Process]:
        """Return every process that belongs to this home."""
        found: list[psutil.Process] = []
        for each in psutil.process_iter():
            try:
                is_ours = each.environ().get("LOOM_HOME") == str(self.home.root)
                is_server = Path(each.cwd()).is_relative_to(self.home.root)
            except (psutil.Error, OSError):
                continue
            if (is_ours or is_server) and each.status() != psutil.STATUS_ZOMBIE:
                found.append(each)
        return found

    def clear(self) -> None:
        for each in self.started:
            if each.is_alive:
                each.kill()
        attach.down(self.home)


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    """Return a home in a folder with a space; nothing of it stays running."""
    (tmp_path / "a folder").mkdir()
    made = Checkout(home=Home(root=tmp_path / "a folder" / ".loom"))
    yield made
    made.clear()


def _children(checkout: Checkout) -> dict[str, process.ProcessId]:
    return dict(attach.leftovers(checkout.home))


def _lines(text: str, *starts: str) -> Sequence[str]:
    return [line for line in text.splitlines() if line.strip().startswith(starts)]


@requirement("make.up", "make.down")
def test_up_survives_kills_and_down_leaves_nothing(checkout: Checkout):
    first = checkout.up()
    record = checkout.home.read_record(checkout.home.up_record)
    ready = httpx.get(f"{record['url']}/health/ready").json()
    greeting = first.log_text()

    assert [line.split()[0] for line in _lines(greeting, "Starting", "Preparing", "Loom")] == [
        "Starting", "Preparing", "Starting", "Loom",
    ]  # fmt: skip
    assert record["pid"] == first.pid
    assert record["mcp_url"] == f"{record['url']}/mcp"
    assert stat.S_IMODE(checkout.home.up_record.stat().st_mode) == 0o600
    assert ready == {"status": "ok", "database": "ok", "redis": "ok"}
    assert len(_lines(greeting, "admin user", "API key")) == 2

    # A second one says where the first is.
    second = checkout.type("up")

    assert second.returncode == 1
    assert second.stderr == (
        f"loom: This LOOM_HOME is already served at {record['url']} (pid {first.pid}): stop it with"
        " `make down`, or use another LOOM_HOME.\n"
    )

    # Its supervisor is killed: web, worker and beat go with it, the servers stay.
    children = _children(checkout)
    server = postgres.find(checkout.home)
    first.kill()
    poll(lambda: not any(process.is_alive(child) for child in children.values()), timeout_s=10)

    assert sorted(children) == ["beat", "web", "worker"]
    assert postgres.find(checkout.home) == server

    # The next one adopts the servers, shows no secret again, and revives what dies.
    again = checkout.up("--json")
    worker = _children(checkout)["worker"]
    os.kill(worker.pid, signal.SIGKILL)
    poll(lambda: _children(checkout).get("worker") not in {None, worker}, timeout_s=20)

    assert postgres.find(checkout.home) == server
    (printed,) = _lines(again.log_text(), "{")
    kept = checkout.home.read_record(checkout.home.up_record)
    assert json.loads(printed) == {name: kept[name] for name in ("pid", "url", "mcp_url")}
    assert "worker was killed by SIGKILL; starting it again in 0.5 s" in again.log_text()

    # Down ends all of it.
    down = checkout.type("down", "--json")

    assert (down.returncode, down.stderr) == (0, "Stopped supervisor.\n")
    assert json.loads(down.stdout) == {"stopped": ["supervisor"]}
    assert again.popen.wait(10) == 0
    assert checkout.processes() == []
    assert not checkout.home.up_record.exists()
    assert checkout.type("down").stderr == "Nothing was running.\n"


def test_a_service_that_dies_is_started_again_where_it_was(checkout: Checkout):
    up = checkout.up()
    url = checkout.home.read_record(checkout.home.up_record)["url"]
    server = postgres.find(checkout.home)
    known = services.known(checkout.home)
    assert server is not None

    os.kill(server.process.pid, signal.SIGKILL)
    revived = poll(
        lambda: (
            (found := postgres.find(checkout.home)) and found.process != server.process and found
        )
    )

    poll(lambda: httpx.get(f"{url}/health/ready", timeout=30).status_code == 200)
    assert revived.port == server.port
    assert services.known(checkout.home) == known
    assert "A service has died; starting it again." in up.log_text()


def test_an_interrupt_ends_everything_and_two_homes_do_not_collide(
    checkout: Checkout, tmp_path: Path
):
    other = Checkout(home=Home(root=tmp_path / "other" / ".loom"))
    other.home.root.parent.mkdir()
    try:
        ups = [each.up("--workers", "0") for each in (checkout, other)]
        urls = [each.home.read_record(each.home.up_record)["url"] for each in (checkout, other)]

        ups[0].popen.send_signal(signal.SIGINT)
        code = ups[0].popen.wait(30)

        assert len(set(urls)) == 2
        assert code == 0
        assert checkout.processes() == []
        assert httpx.get(f"{urls[1]}/health/ready").status_code == 200
    finally:
        other.clear()


@requirement("environment.port")
def test_a_port_in_use_is_one_sentence_and_nothing_stays(checkout: Checkout):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        done = checkout.type("up", LOOM_PORT=port)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"loom: Port {port} (LOOM_PORT) is in use: choose another or unset LOOM_PORT.\n"
    )
    assert checkout.processes() == []


def test_a_command_starts_what_it_needs_migrates_it_and_stops_it(checkout: Checkout):
    done = checkout.type("shell", "-c", "print(Workspace.objects.count())")

    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["0"])
    assert checkout.processes() == []


@requirement("commands.doctor")
def test_doctor_says_what_runs_and_fails_only_for_faults(checkout: Checkout):
    well = checkout.type("doctor")
    ill = checkout.type("doctor", OPENAI_BASE_URL="http://127.0.0.1:9/v1", OPENAI_API_KEY="hush")

    assert (well.returncode, ill.returncode) == (0, 1)
    assert "FAIL  model        http://127.0.0.1:9/v1 does not list its models" in ill.stdout
    assert "hush" not in ill.stdout + ill.stderr


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("DATABASE_URL", "postgresql://u:hush@h:port/n", "DATABASE_URL cannot be used: give"),
        ("DATABASE_URL", "postgresql://u:hush@127.0.0.1:9/n", "Connection refused"),
        ("REDIS_URL", "redis://:hush@h:port", "REDIS_URL cannot be used: give"),
        ("LOOM_LEASE_S", "soon", "LOOM_LEASE_S is 'soon': use a number."),
        ("DEBUG", "perhaps", "DEBUG is 'perhaps': use 1 or 0."),
        ("LOOM_HOME", "/dev/null/loom", "LOOM_HOME '/dev/null/loom' cannot be used"),
    ],
)
@requirement("environment.malformed")
def test_a_bad_setting_is_one_sentence(
    checkout: Checkout, variable: str, value: str, sentence: str
):
    done = checkout.type("up", **{variable: value})

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("loom: ")
    assert sentence in done.stderr
    assert "hush" not in done.stderr
    assert "Traceback" not in done.stderr
    assert checkout.processes() == []
