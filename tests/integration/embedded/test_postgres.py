"""The embedded PostgreSQL, as the account that runs the tests."""

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from loomsite.embedded import postgres, process
from loomsite.embedded.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """Return a home in a folder with spaces that only we may enter; nothing of it stays running."""
    root = tmp_path / "a folder" / ".loom"
    made = Home(root=root)
    made.prepare()
    made.root.parent.chmod(0o700)
    yield made
    if server := postgres.find(made):
        postgres.stop(server)


def _value(server: postgres.Postgres, query: str) -> object:
    with psycopg.connect(server.url, autocommit=True) as connection:
        row = connection.execute(query).fetchone()  # pyright: ignore[reportArgumentType] -- constants
        return row[0] if row else None


def test_it_has_pgvector_and_keeps_what_was_committed(home: Home):
    server = postgres.start(home)

    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
        connection.execute("CREATE TABLE t AS SELECT '[1,2]'::vector AS v")
    postgres.stop(server)
    again = postgres.start(home, port=server.port)

    assert _value(again, "SELECT v::text FROM t") == "[1,2]"
    assert _value(again, "SHOW fsync") == "on"
    assert not process.is_alive(server.process)


def test_a_server_that_runs_is_adopted(home: Home):
    first = postgres.start(home)

    second = postgres.start(home)

    assert second == first


def test_a_server_that_was_killed_recovers_what_was_committed(home: Home):
    server = postgres.start(home)
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE t AS SELECT 7 AS n")
    os.kill(server.process.pid, signal.SIGKILL)

    again = postgres.start(home)

    assert again.process != server.process
    assert _value(again, "SELECT n FROM t") == 7


def test_a_pid_file_that_names_another_process_is_not_taken_for_a_server(home: Home):
    server = postgres.start(home)
    text = (postgres.data_folder(home) / "postmaster.pid").read_text()
    postgres.stop(server)
    stale = postgres.data_folder(home) / "postmaster.pid"
    stale.write_text(text.replace(str(server.process.pid), str(os.getpid()), 1))

    found = postgres.find(home)
    again = postgres.start(home)

    assert found is None
    assert _value(again, "SELECT 1") == 1


def test_it_takes_a_password_and_listens_on_the_loopback_alone(home: Home):
    server = postgres.start(home)
    password = home.root / "secrets" / "postgres"

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.url.replace(server.password, "guess"))

    assert stat.S_IMODE(password.stat().st_mode) == 0o600
    assert server.password not in " ".join(psutil.Process(server.process.pid).cmdline())
    listening = {
        each.laddr.ip
        for each in psutil.Process(server.process.pid).net_connections()
        if each.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


def test_two_homes_do_not_collide(home: Home, tmp_path: Path):
    other = Home(root=tmp_path / "other")
    other.prepare()

    servers = [postgres.start(home), postgres.start(other)]

    try:
        assert len({server.port for server in servers}) == 2
        assert len({server.password for server in servers}) == 2
        assert [postgres.find(home), postgres.find(other)] == servers
    finally:
        postgres.stop(servers[1])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes account")
def test_started_by_root_it_runs_as_nobody_and_opens_no_folder(home: Home):
    modes = {path: path.stat().st_mode for path in [home.root, *home.root.parents]}

    server = postgres.start(home)

    assert psutil.Process(server.process.pid).username() == "nobody"
    assert {path: path.stat().st_mode for path in modes} == modes


def test_a_start_that_was_cut_short_is_made_anew(home: Home):
    half = postgres.data_folder(home).with_name("data.new")
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")

    server = postgres.start(home)

    assert _value(server, "SELECT 1") == 1
