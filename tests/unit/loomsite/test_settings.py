"""Values from the environment."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from loomsite import settings
from tests.requirements import requirement

MALFORMED = [
    "",
    "postgres",
    "mysql://user:secret@host/name",
    "postgresql://user:secret@host:port/name",
    "postgresql://user:secret@host:5432",
    "postgresql://user:secret@[host/name",
    "http://user:secret@host/name",
]


@pytest.mark.parametrize("url", MALFORMED)
@requirement("environment.malformed")
def test_a_malformed_database_url_is_refused_without_quoting_it(url: str):
    with pytest.raises(ImproperlyConfigured) as caught:
        settings.database(url)

    assert str(caught.value) == (
        "DATABASE_URL cannot be used: give the URL of a PostgreSQL database,"
        " postgresql://user:password@host:port/name."
    )


def test_a_database_url_becomes_a_pooled_postgres_database():
    described = settings.database("postgresql://user:pa%20ss@host:5433/name?sslmode=require")

    assert {
        name: described[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT", "OPTIONS")
    } == {
        "NAME": "name",
        "USER": "user",
        "PASSWORD": "pa ss",
        "HOST": "host",
        "PORT": 5433,
        "OPTIONS": {
            "connect_timeout": 10,
            "pool": {"min_size": 0, "max_size": 20, "timeout": 10, "reconnect_timeout": 2},
            "options": "-c idle_in_transaction_session_timeout=60000",
            "sslmode": "require",
        },
    }
    assert described["CONN_HEALTH_CHECKS"]


@pytest.mark.parametrize("url", ["", "http://host", "redis://host:port/0", "host:6379"])
@requirement("environment.malformed")
def test_a_malformed_redis_url_is_refused_without_quoting_it(url: str):
    with pytest.raises(ImproperlyConfigured, match="REDIS_URL cannot be used"):
        settings._broker(url)


@pytest.mark.parametrize("value", ["abc", "nan", "inf", "0", "-1"])
def test_a_number_that_is_none_or_too_small_is_refused_by_name(
    value: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("LOOM_LEASE_S", value)

    with pytest.raises(ImproperlyConfigured, match="LOOM_LEASE_S is"):
        settings._number("LOOM_LEASE_S", 15, least=0.1)


def test_a_lease_may_be_a_fraction_of_a_second(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LOOM_LEASE_S", "0.5")

    assert settings._number("LOOM_LEASE_S", 15, least=0.1) == 0.5


def test_a_key_for_secrets_that_is_none_is_refused():
    with pytest.raises(ImproperlyConfigured, match="LOOM_SECRETS_KEY cannot be used"):
        settings._fernet_key("short")
