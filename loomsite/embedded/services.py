"""The embedded services together: held by whoever uses them, stopped by the last to let go."""

import fcntl
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from loomsite.embedded import postgres, valkey
from loomsite.embedded.home import Home, take_lock

_START_LOCK = "start.lock"
_USERS_LOCK = "users.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Urls:
    """Where database and broker are; `started` when this call had to start one."""

    database_url: str
    redis_url: str
    started: bool = False

    def to_environment(self) -> dict[str, str]:
        return {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url}


@contextmanager
def held(home: Home, environment: Mapping[str, str], *, throwaway: bool = False) -> Generator[Urls]:
    """Run the services that the environment does not name, for as long as the block lasts.

    Several processes may hold them; the last to leave stops them. After a holder was killed, the
    next one adopts what it left.

    Raises:
        EmbeddedError: One sentence that says why they cannot run.
    """
    if _text(environment, "DATABASE_URL") and _text(environment, "REDIS_URL"):
        yield ensure(home, environment)  # nothing of ours to hold, nothing to write
        return
    home.prepare()
    users = home.open_lock(_USERS_LOCK)
    try:
        with home.locked(_START_LOCK):
            fcntl.flock(users, fcntl.LOCK_SH)
            urls = _ensure(home, environment, throwaway=throwaway)
        yield urls
    finally:
        with home.locked(_START_LOCK):
            if take_lock(users):  # nobody else holds it
                stop(home)
            os.close(users)


def ensure(home: Home, environment: Mapping[str, str]) -> Urls:
    """Return where the services are, starting again what has died; for one that holds them."""
    if _text(environment, "DATABASE_URL") and _text(environment, "REDIS_URL"):
        return Urls(
            database_url=_text(environment, "DATABASE_URL"),
            redis_url=_text(environment, "REDIS_URL"),
        )
    with home.locked(_START_LOCK):
        return _ensure(home, environment, throwaway=False)


def known(home: Home) -> dict[str, str]:
    """Return the addresses of services that run now, as environment variables; maybe none."""
    found: dict[str, str] = {}
    if database := postgres.find(home):
        found["DATABASE_URL"] = database.url
    if broker := valkey.find(home):
        found["REDIS_URL"] = broker.url
    return found


def stop(home: Home) -> list[str]:
    """Stop the servers of this home, whoever started them; return the names of those that ran.

    Raises:
        ServiceFailed: One does not end.
    """
    stopped: list[str] = []
    if broker := valkey.find(home):
        valkey.stop(broker)
        stopped.append("Valkey")
    if database := postgres.find(home):
        postgres.stop(database)
        stopped.append("PostgreSQL")
    return stopped


def _ensure(home: Home, environment: Mapping[str, str], *, throwaway: bool) -> Urls:
    database_url, redis_url = (_text(environment, name) for name in ("DATABASE_URL", "REDIS_URL"))
    ports = home.read_record(home.services_record)
    started = False
    if not database_url:
        started = started or postgres.find(home) is None
        database = postgres.start(home, port=_port(ports, "postgres"), throwaway=throwaway)
        ports["postgres"] = database.port
        database_url = database.url
    if not redis_url:
        started = started or valkey.find(home) is None
        broker = valkey.start(home, port=_port(ports, "valkey"), throwaway=throwaway)
        ports["valkey"] = broker.port
        redis_url = broker.url
    home.write_record(home.services_record, ports)  # the same ports next time, if they are free
    return Urls(database_url=database_url, redis_url=redis_url, started=started)


def _port(ports: Mapping[str, object], name: str) -> int | None:
    port = ports.get(name)
    return port if isinstance(port, int) else None


def _text(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name, "").strip()


def alive(home: Home, environment: Mapping[str, str]) -> bool:
    """Tell whether every service that the environment does not name still runs."""
    has_database = _text(environment, "DATABASE_URL") or postgres.find(home)
    return bool(has_database and (_text(environment, "REDIS_URL") or valkey.find(home)))
