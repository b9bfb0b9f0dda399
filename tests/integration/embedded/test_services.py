"""The embedded services held, shared and let go."""

import socket
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from django.contrib.auth import get_user_model

from loomsite.embedded import attach, services, supervisor
from loomsite.embedded.errors import PortTaken
from loomsite.embedded.home import Home
from tests.requirements import requirement


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """Return a home of which nothing stays running."""
    made = Home(root=tmp_path / ".loom")
    yield made
    services.stop(made)


def test_the_services_of_a_test_run_answer(service_urls: services.Urls):
    with psycopg.connect(service_urls.database_url) as connection:
        row = connection.execute("SELECT 1").fetchone()
    with redis.Redis.from_url(service_urls.redis_url) as client:
        pong = client.ping()

    assert (row, pong) == ((1,), True)


@pytest.mark.django_db
def test_django_reaches_the_test_database():
    get_user_model().objects.create_user("somebody")

    assert list(get_user_model().objects.values_list("username", flat=True)) == ["somebody"]


def test_the_last_holder_stops_what_runs(home: Home):
    with services.held(home, {}) as first:
        with services.held(home, {}) as second:
            shared = (first.database_url, first.redis_url, first.started)
            assert (second.database_url, second.redis_url) == shared[:2]
            assert (first.started, second.started) == (True, False)
        left_by_the_first_to_go = services.known(home)

    assert left_by_the_first_to_go == first.to_environment()
    assert services.known(home) == {}


@requirement("environment.services")
def test_services_that_the_environment_names_are_used_and_nothing_is_written(home: Home):
    named = {"DATABASE_URL": "postgresql://h/n", "REDIS_URL": "redis://h"}

    with services.held(home, named) as urls:
        found = urls.to_environment()

    assert found == named
    assert not home.root.exists()


def test_only_the_service_that_is_not_named_is_started(home: Home):
    with services.held(home, {"DATABASE_URL": "postgresql://h/n"}) as urls:
        known = services.known(home)

    assert known == {"REDIS_URL": urls.redis_url}


def test_down_stops_servers_that_a_killed_holder_left_and_is_content_with_none(home: Home):
    left = services.held(home, {})
    left.__enter__()  # as one that is killed: it never lets go

    stopped = attach.down(home)

    assert stopped == ["Valkey", "PostgreSQL"]
    assert attach.down(home) == []


def test_a_port_that_is_asked_for_and_in_use_is_refused():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(PortTaken, match=f"Port {port} .LOOM_PORT. is in use"):
            supervisor.choose_port({"LOOM_PORT": str(port)})


@pytest.mark.parametrize("port", ["abc", "0", "65536", "-1", "٣"])
def test_a_port_that_is_none_is_refused(port: str):
    with pytest.raises(PortTaken, match="use a number from 1 to 65535"):
        supervisor.choose_port({"LOOM_PORT": port})
