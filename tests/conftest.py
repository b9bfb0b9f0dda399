"""What all tests share: real services, started when the first test needs them."""

import itertools
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import redis
from django.conf import settings
from psycopg import sql

from loomsite.celery import app as celery_app
from loomsite.embedded import services
from loomsite.embedded.home import Home
from loomsite.settings import database
from tests import processes

_REDIS_DATABASES = itertools.cycle(range(1, 16))
_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what runs whole processes, so that `make test-fast` can leave it out."""
    for item in items:
        if "tests/e2e/" in item.path.as_posix():
            item.add_marker(pytest.mark.e2e)


def pytest_unconfigure() -> None:
    """Remove the run's home, which the settings already write to."""
    shutil.rmtree(os.environ["LOOM_HOME"], ignore_errors=True)


@pytest.fixture(scope="session")
def loom_home() -> Path:
    """Return the test run's own LOOM_HOME; it is removed at the end."""
    home = Path(os.environ["LOOM_HOME"])
    home.mkdir(mode=0o700, exist_ok=True)
    return home


@pytest.fixture(scope="session")
def service_urls(loom_home: Path) -> Iterator[services.Urls]:
    """Return a running PostgreSQL and Valkey: those of the environment, else throwaway ones."""
    with services.held(Home(root=loom_home), os.environ, throwaway=True) as urls:
        yield urls


@pytest.fixture(scope="session")
def django_db_modify_db_settings(service_urls: services.Urls) -> None:
    """Point Django and Celery at the services; pytest-django asks for this before the first use."""
    settings.DATABASES["default"].update(database(service_urls.database_url))
    settings.REDIS_URL = settings.CELERY_BROKER_URL = service_urls.redis_url
    celery_app.conf.update(broker_url=service_urls.redis_url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A migrated database that is copied for each stack."""

    name: str
    api_key: str
    admin_password: str


@pytest.fixture(scope="session")
def stack_template(service_urls: services.Urls, loom_home: Path) -> Iterator[Template]:
    """Return a database with the tables, an admin and a key, to copy from."""
    name = f"loom_template_{os.getpid()}"
    _run_sql(service_urls, "CREATE DATABASE {}", name)
    url = _with_path(service_urls.database_url, name)
    made = processes.bootstrap(processes.environment(loom_home, url, service_urls.redis_url))
    yield Template(name=name, api_key=made["api_key"], admin_password=made["admin_password"])
    _run_sql(service_urls, "DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture
def stack(
    service_urls: services.Urls, stack_template: Template, tmp_path: Path
) -> Iterator[processes.Stack]:
    """Return a control plane of the test's own, nothing of it started yet."""
    name = f"loom_e2e_{os.getpid()}_{next(_numbers)}"
    _run_sql(service_urls, "CREATE DATABASE {} TEMPLATE {}", name, stack_template.name)
    redis_url = _with_path(service_urls.redis_url, str(next(_REDIS_DATABASES)))
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    database_url = _with_path(service_urls.database_url, name)
    made = processes.Stack(
        home=tmp_path,
        database_url=database_url,
        redis_url=redis_url,
        api_key=stack_template.api_key,
        admin_password=stack_template.admin_password,
        environment=processes.environment(tmp_path, database_url, redis_url),
    )
    yield made
    made.stop()
    _run_sql(service_urls, "DROP DATABASE {} WITH (FORCE)", name)


def _run_sql(urls: services.Urls, statement: str, *names: str) -> None:
    composed = sql.SQL(statement).format(*(sql.Identifier(name) for name in names))  # pyright: ignore[reportArgumentType] -- constants above
    with psycopg.connect(urls.database_url, autocommit=True) as connection:
        connection.execute(composed)


def _with_path(url: str, path: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{path}"))
