"""The embedded Valkey."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from loomsite.embedded import process, valkey
from loomsite.embedded.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """Return a home in a folder with spaces; nothing of it stays running."""
    made = Home(root=tmp_path / "a folder" / ".loom")
    made.prepare()
    yield made
    if server := valkey.find(made):
        valkey.stop(server)


def test_it_keeps_its_keys_and_never_drops_one_for_space(home: Home):
    server = valkey.start(home)
    with redis.Redis.from_url(server.url) as client:
        client.set("k", "v")
        policy = client.config_get("maxmemory-policy")
    valkey.stop(server)

    again = valkey.start(home)

    assert policy == {"maxmemory-policy": "noeviction"}
    with redis.Redis.from_url(again.url) as client:
        assert client.get("k") == b"v"


def test_a_server_that_runs_is_adopted_and_one_that_was_killed_is_replaced(home: Home):
    first = valkey.start(home)
    adopted = valkey.start(home)
    os.kill(first.process.pid, signal.SIGKILL)
    assert process.wait_until(lambda: not process.is_alive(first.process), timeout_s=10)

    replaced = valkey.start(home, port=first.port)

    assert adopted == first
    assert (replaced.port, replaced.process != first.process) == (first.port, True)


def test_it_takes_a_password_that_no_process_list_shows(home: Home):
    server = valkey.start(home)

    with (
        redis.Redis(
            port=server.port, password="guess", retry=Retry(NoBackoff(), retries=0)
        ) as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()

    assert server.password not in " ".join(psutil.Process(server.process.pid).cmdline())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes account")
def test_started_by_root_it_runs_as_nobody(home: Home):
    server = valkey.start(home)

    assert psutil.Process(server.process.pid).username() == "nobody"
