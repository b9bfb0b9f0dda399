"""What all tests share: real services, started when the first test needs them."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from loomsite.celery import app as celery_app
from loomsite.embedded import services
from loomsite.embedded.home import Home


@pytest.fixture(scope="session")
def loom_home() -> Iterator[Path]:
    """Return the test run's own LOOM_HOME; it is removed at the end."""
    home = Path(os.environ["LOOM_HOME"])
    home.mkdir(mode=0o700, exist_ok=True)
    yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def service_urls(loom_home: Path) -> Iterator[services.Urls]:
    """Return a running PostgreSQL and Valkey: those of the environment, else throwaway ones."""
    with services.held(Home(root=loom_home), os.environ, throwaway=True) as urls:
        os.environ.update(urls.to_environment())  # for the processes that tests start
        yield urls


@pytest.fixture(scope="session")
def django_db_modify_db_settings(service_urls: services.Urls) -> None:
    """Point Django and Celery at the services; pytest-django asks for this before the first use."""
    from loomsite.settings import database  # noqa: PLC0415 -- reads the environment when imported

    settings.DATABASES["default"].update(database(service_urls.database_url))
    settings.REDIS_URL = settings.CELERY_BROKER_URL = service_urls.redis_url
    celery_app.conf.broker_url = service_urls.redis_url
