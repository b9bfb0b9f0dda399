"""Valkey for a machine that has none: started, adopted, stopped."""

import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from loomsite.embedded import process
from loomsite.embedded.errors import ServiceFailed
from loomsite.embedded.home import Home, unusable
from loomsite.embedded.process import ProcessId
from loomsite.embedded.programs import valkey_program

_START_TIMEOUT_S = 30.0
_POLL_S = 0.02
_PORT_ATTEMPTS = 3
_LOG_LIMIT_BYTES = 8 * 1024 * 1024
_STOP = [(signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0)]
# Given on standard input: no password in the process list, no file that another account must read.
_CONFIGURATION = """
bind 127.0.0.1
protected-mode yes
port {port}
requirepass {password}
daemonize no
dir ./
appendonly {append}
appendfsync everysec
save ""
maxmemory-policy noeviction
loglevel notice
logfile ""
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Valkey:
    """A running server of this home."""

    process: ProcessId
    port: int
    password: str

    @property
    def url(self) -> str:
        return f"redis://:{quote(self.password)}@127.0.0.1:{self.port}/0"


def data_folder(home: Home) -> Path:
    return home.root / "valkey" / "data"


def start(home: Home, *, port: int | None = None, throwaway: bool = False) -> Valkey:
    """Return the home's server, adopted if it runs and started if not, ready for commands.

    Args and errors are those of `postgres.start`.
    """
    if (running := find(home)) and _await_adopted(running, home):
        return running
    password = home.secret("valkey")
    for attempt in range(_PORT_ATTEMPTS):
        chosen = process.free_port(port if attempt == 0 else None)
        server = _launch(home, port=chosen, password=password, throwaway=throwaway)
        candidate = Valkey(process=server, port=chosen, password=password)
        try:
            if _await_ready(candidate, home, retry_taken_port=attempt < _PORT_ATTEMPTS - 1):
                home.write_record(_record(home), {**server.to_record(), "port": chosen})
                return candidate
        except BaseException:  # also a signal: nothing that is not yet ours to find is left
            process.stop(server, _STOP)
            raise
    raise ServiceFailed(f"Valkey found no free port: see {str(home.logs / 'valkey.log')!r}.")


def find(home: Home) -> Valkey | None:
    """Return the server that runs over this home's data, whoever started it."""
    record = home.read_record(_record(home))
    found = process.from_record(record)
    port = record.get("port")
    if found is None or not isinstance(port, int):
        return None
    if not any(
        process.works_in(found, data_folder(home), program=name) for name in ("valkey", "redis")
    ):
        return None
    return Valkey(process=found, port=port, password=home.secret("valkey"))


def stop(server: Valkey) -> None:
    """Shut the server down; what it holds is on disk before it ends.

    Raises:
        ServiceFailed: It does not end.
    """
    if not process.stop(server.process, _STOP):
        raise ServiceFailed(f"Valkey (pid {server.process.pid}) does not stop.")


def _record(home: Home) -> Path:
    return home.root / "valkey" / "server.json"


def _launch(home: Home, *, port: int, password: str, throwaway: bool) -> ProcessId:
    data = data_folder(home)
    account = process.server_account(data)
    program = valkey_program(home, account)
    # As PostgreSQL, an account that is not ours reaches the data as its own working folder.
    configuration = _CONFIGURATION.format(
        port=port, password=password, append="no" if throwaway else "yes"
    )
    log = home.logs / "valkey.log"
    try:
        process.give_folder(data, account)
        full = log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES
        with log.open("wb" if full else "ab") as output:
            server = subprocess.Popen(  # noqa: S603 -- the wheel's own program, or the one on PATH
                [program, "-"],
                cwd=data,
                env=process.plain_environment(),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the supervisor, which stops us last
                preexec_fn=process.leash(signal.SIGTERM) if throwaway else None,  # noqa: PLW1509 -- one prctl, no lock
                user=account.uid,
                group=account.gid,
                extra_groups=account.groups,
            )
        assert server.stdin is not None
        with server.stdin as stdin:
            stdin.write(configuration.encode())
    except OSError as error:
        raise unusable(home.root, error) from None
    return process.adopted(server)


def _await_adopted(server: Valkey, home: Home) -> bool:
    """Wait until a server that was found answers; False when it was dying and now is gone."""
    try:
        return _await_ready(server, home)
    except ServiceFailed:
        if process.is_alive(server.process):
            raise
        return False


def _await_ready(server: Valkey, home: Home, *, retry_taken_port: bool = False) -> bool:
    """Wait until the server answers; False when its port was taken and another may be tried.

    Raises:
        ServiceFailed: It ended, or it does not answer in time.
    """
    end = time.monotonic() + _START_TIMEOUT_S
    reason = "no answer"
    never = Retry(NoBackoff(), retries=0)  # the loop below is the retry
    with redis.Redis(
        port=server.port,
        password=server.password,
        socket_timeout=5,
        socket_connect_timeout=5,
        retry=never,
    ) as client:
        while time.monotonic() < end:
            try:
                client.ping()  # pyright: ignore[reportUnknownMemberType] -- redis types loosely
            except redis.AuthenticationError:
                reason = "another server answers on its port, or its password changed"
                break
            except redis.RedisError as error:  # refused, or still loading
                reason = " ".join(str(error).split())
            else:
                return process.is_alive(server.process) or not retry_taken_port
            if not process.is_alive(server.process):
                reason = _last_line(home)
                if retry_taken_port and "in use" in reason:
                    return False
                break
            time.sleep(_POLL_S)
    raise ServiceFailed(f"Valkey did not start ({reason}): see {str(home.logs / 'valkey.log')!r}.")


def _last_line(home: Home) -> str:
    try:
        lines = (home.logs / "valkey.log").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    return lines[-1].strip() if lines else "it ended at once"
