"""PostgreSQL with pgvector for a machine that has none: made, started, adopted, stopped."""

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg

from loomsite.embedded import process
from loomsite.embedded.errors import HomeUnusable, ServiceFailed
from loomsite.embedded.home import Home, unusable
from loomsite.embedded.process import Account, ProcessId
from loomsite.embedded.programs import postgres_programs

ROLE = DATABASE = "loom"
_START_TIMEOUT_S = 60.0
_POLL_S = 0.05
_PORT_ATTEMPTS = 3
_LOG_LIMIT_BYTES = 8 * 1024 * 1024
_STOP = [(signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0)]
# Small, and durable: fsync and synchronous_commit stay on. Parallel workers would need shared
# memory that containers often cap at 64 MB.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "512MB",
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] ",
}
_THROWAWAY_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """A running server of this home."""

    process: ProcessId
    port: int
    password: str

    @property
    def url(self) -> str:
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        return f"postgresql://{ROLE}:{quote(self.password)}@127.0.0.1:{self.port}/{database}"


def data_folder(home: Home) -> Path:
    return home.root / "postgres" / "data"


def start(home: Home, *, port: int | None = None, throwaway: bool = False) -> Postgres:
    """Return the home's server, adopted if it runs and started if not, ready for connections.

    Args:
        home: Prepared; the caller holds its start lock.
        port: Preferred when a new server is started.
        throwaway: For tests: trades durability for speed and ties the server's life to ours.

    Raises:
        ServiceMissing: No program for this platform.
        ServiceFailed: It did not start; the message quotes its log.
        HomeUnusable: The data folder cannot be made or used.
    """
    data = data_folder(home)
    password = home.secret("postgres")
    if (running := find(home)) and _await_adopted(running, home):
        return running
    account = process.server_account(data)
    programs = postgres_programs(home, account)
    if not (data / "PG_VERSION").exists():
        _initialize(home, programs, account, password)
    _forget_dead_server(data)
    for attempt in range(_PORT_ATTEMPTS):
        chosen = process.free_port(port if attempt == 0 else None)
        server = _launch(home, programs, account, port=chosen, throwaway=throwaway)
        candidate = Postgres(process=server, port=chosen, password=password)
        try:
            if _await_ready(candidate, home, retry_taken_port=attempt < _PORT_ATTEMPTS - 1):
                _create_database(candidate)
                return candidate
        except BaseException:  # also a signal: nothing that is not yet ours to find is left
            process.stop(server, _STOP)
            raise
    raise ServiceFailed(f"PostgreSQL found no free port: see {home.logs / 'postgres.log'}.")


def find(home: Home) -> Postgres | None:
    """Return the server that runs over this home's data, whoever started it."""
    data = data_folder(home)
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        pid, port = int(lines[0]), int(lines[3])
    except (OSError, ValueError, IndexError):
        return None
    found = process.identify(pid)
    if found is None or not process.works_in(found, data, program="postgres"):
        return None
    return Postgres(process=found, port=port, password=home.secret("postgres"))


def stop(server: Postgres) -> None:
    """Shut the server down; open transactions are rolled back, nothing committed is lost.

    Raises:
        ServiceFailed: It does not end.
    """
    if not process.stop(server.process, _STOP):
        raise ServiceFailed(f"PostgreSQL (pid {server.process.pid}) does not stop.")


def _initialize(home: Home, programs: Path, account: Account, password: str) -> None:
    """Make the data folder; it appears whole or not at all."""
    data = data_folder(home)
    draft = data.with_name("data.new")
    try:
        data.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(draft, ignore_errors=True)
        process.give_folder(draft, account)
        with tempfile.TemporaryFile(dir=data.parent) as file:
            file.write(password.encode() + b"\n")
            file.flush()
            account.own(file.fileno())
            done = _run_initdb(programs, draft, account, password_fd=file.fileno())
        if done.returncode != 0:
            reason = " ".join(done.stderr.split())[-300:] or "initdb failed"
            shutil.rmtree(draft, ignore_errors=True)
            raise HomeUnusable(f"The database could not be made in {str(data.parent)!r}: {reason}.")
        if data.exists():
            data.rmdir()
        draft.rename(data)
    except OSError as error:
        raise unusable(home.root, error) from None


def _run_initdb(
    programs: Path, data: Path, account: Account, *, password_fd: int
) -> subprocess.CompletedProcess[str]:
    arguments = [
        programs / "initdb",
        "-D",
        _folder_argument(data, account),
        f"--username={ROLE}",
        f"--pwfile=/dev/fd/{password_fd}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",  # the same order and case rules on every machine
        "--builtin-locale=C.UTF-8",
        "--no-instructions",
    ]
    return subprocess.run(  # noqa: S603 -- the wheel's own program
        arguments,
        cwd=data,
        env=process.plain_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        pass_fds=[password_fd],
        user=account.uid,
        group=account.gid,
        extra_groups=account.groups,
    )


def _folder_argument(data: Path, account: Account) -> str:
    """Return how the server names its data folder.

    An account that is not ours may be barred from a folder above the data. It is born inside the
    data folder and reaches it as its own working folder, so no folder above has to be opened.
    """
    return "/proc/self/cwd" if account.is_other and sys.platform == "linux" else str(data)


def _forget_dead_server(data: Path) -> None:
    """Remove the pid file of a server that is gone; `find` has just proved that it is.

    PostgreSQL refuses to start when any process of its account has the number in that file. What it
    checks besides (shared memory still in use by the dead server's children) stays in force.
    """
    (data / "postmaster.pid").unlink(missing_ok=True)


def _launch(
    home: Home, programs: Path, account: Account, *, port: int, throwaway: bool
) -> ProcessId:
    data = data_folder(home)
    settings = {**_SETTINGS, **(_THROWAWAY_SETTINGS if throwaway else {})}
    arguments = [
        str(programs / "postgres"),
        *("-D", _folder_argument(data, account)),
        *("-p", str(port)),
        *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
    ]
    log = home.logs / "postgres.log"
    try:
        full = log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES
        with log.open("wb" if full else "ab") as output:
            server = subprocess.Popen(  # noqa: S603 -- the wheel's own program
                arguments,
                cwd=data,
                env=process.plain_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the supervisor, which stops us last
                preexec_fn=process.leash(signal.SIGQUIT) if throwaway else None,  # noqa: PLW1509 -- one prctl, no lock
                user=account.uid,
                group=account.gid,
                extra_groups=account.groups,
            )
    except OSError as error:
        raise unusable(home.root, error) from None
    return process.adopted(server)


def _await_adopted(server: Postgres, home: Home) -> bool:
    """Wait until a server that was found answers; False when it was dying and now is gone."""
    try:
        return _await_ready(server, home)
    except ServiceFailed:
        if process.is_alive(server.process):
            raise
        return False


def _await_ready(server: Postgres, home: Home, *, retry_taken_port: bool = False) -> bool:
    """Wait until the server answers; False when its port was taken and another may be tried.

    Raises:
        ServiceFailed: It ended, or it does not answer in time.
    """
    end = time.monotonic() + _START_TIMEOUT_S
    reason = "no answer"
    while time.monotonic() < end:
        try:
            psycopg.connect(server.url_of("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError as error:  # refused, or still recovering
            reason = " ".join(str(error).split())
        else:
            return True
        if "password authentication failed" in reason:
            break
        if not process.is_alive(server.process):
            reason = _last_complaint(home)
            if retry_taken_port and "could not bind" in reason:
                return False
            break
        time.sleep(_POLL_S)
    raise ServiceFailed(
        f"PostgreSQL did not start ({reason}): see {str(home.logs / 'postgres.log')!r}."
    )


def _last_complaint(home: Home) -> str:
    try:
        lines = (home.logs / "postgres.log").read_text(errors="replace").splitlines()[-20:]
    except OSError:
        lines = []
    complaints = [line for line in lines if "FATAL" in line or "PANIC" in line or "WARNING" in line]
    return (complaints or lines or ["it ended at once"])[-1].strip()


def _create_database(server: Postgres) -> None:
    with psycopg.connect(server.url_of("postgres"), autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
        if known.fetchone() is None:
            connection.execute(f"CREATE DATABASE {DATABASE}")
