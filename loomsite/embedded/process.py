"""Processes we start: as whom, how they are known again, how they are stopped."""

import ctypes
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

_PR_SET_PDEATHSIG = 1
_CLOCK_SLACK_S = 2.0
_POLL_S = 0.02
_PORT_PATIENCE_S = 1.0
# Loaded here: between fork and exec nothing may take the loader's lock.
_libc: ctypes.CDLL | None = ctypes.CDLL(None) if sys.platform == "linux" else None

_detached: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whom a server runs as; without ids it is ourselves. Servers of ours are never root."""

    uid: int | None = None
    gid: int | None = None

    @property
    def is_other(self) -> bool:
        return self.uid is not None

    @property
    def groups(self) -> list[int] | None:
        """What else it belongs to: nothing, unless it is ourselves."""
        return [] if self.is_other else None

    def own(self, descriptor_or_path: int | Path) -> None:
        """Give a file or folder to the account."""
        if self.uid is not None and self.gid is not None:
            os.chown(descriptor_or_path, self.uid, self.gid)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessId:
    """A pid that cannot be mistaken for a later process with the same number."""

    pid: int
    started_at_s: float

    def to_record(self) -> dict[str, Any]:
        return {"pid": self.pid, "started_at_s": self.started_at_s}


def server_account(data: Path) -> Account:
    """Return whom a server over `data` runs as.

    Only root changes account: to the owner of data that exists, else to `nobody`. None is made.
    """
    if os.geteuid() != 0:
        return Account()
    if data.exists() and (owner := data.stat()).st_uid != 0:
        return Account(uid=owner.st_uid, gid=owner.st_gid)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        return Account(uid=65534, gid=65534)
    return Account(uid=nobody.pw_uid, gid=nobody.pw_gid)


def give_folder(path: Path, account: Account) -> None:
    """Create a folder that only the account may enter."""
    path.mkdir(parents=True, exist_ok=True)
    account.own(path)
    path.chmod(0o700)


def plain_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment for a server: no secret of ours, no setting that changes its mind."""
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", **kept, **(extra or {})}


def identify(pid: int) -> ProcessId | None:
    """Return the identity of a live process; None when there is none, or only its zombie."""
    try:
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE:
            return ProcessId(pid=pid, started_at_s=process.create_time())
    except (psutil.Error, ValueError):
        pass
    _reap()
    return None


def _reap() -> None:
    """Take note of servers that ended: nobody else waits for them."""
    for child in list(_detached):
        if child.poll() is not None:
            _detached.remove(child)


def adopted(child: subprocess.Popen[bytes]) -> ProcessId:
    """Return the identity of a child just started, whether or not it still lives.

    The child is detached: whoever stops it knows it by this identity alone.
    """
    _detached.append(child)  # keeps Python from warning about a child nobody waited for
    return identify(child.pid) or ProcessId(pid=child.pid, started_at_s=0.0)


def from_record(record: Mapping[str, Any]) -> ProcessId | None:
    """Return the process a record names if it still is that process, else None."""
    pid, started = record.get("pid"), record.get("started_at_s")
    if not isinstance(pid, int) or not isinstance(started, int | float):
        return None
    found = identify(pid)
    if found is None or abs(found.started_at_s - started) > _CLOCK_SLACK_S:
        return None
    return found


def works_in(process: ProcessId, folder: Path, *, program: str) -> bool:
    """Tell whether this is `program`, at work in `folder`: the proof that a server is ours."""
    try:
        known = psutil.Process(process.pid)
        return known.name().startswith(program) and Path(known.cwd()) == folder.resolve()
    except (psutil.Error, OSError):
        return False


def is_alive(process: ProcessId) -> bool:
    found = identify(process.pid)
    return found is not None and abs(found.started_at_s - process.started_at_s) <= _CLOCK_SLACK_S


def stop(process: ProcessId, signals: list[tuple[signal.Signals, float]]) -> bool:
    """Send each signal in turn, waiting so many seconds after it; return whether it is gone."""
    for number, patience_s in signals:
        if not is_alive(process):
            return True
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        if wait_until(lambda: not is_alive(process), timeout_s=patience_s):
            return True
    return not is_alive(process)


def wait_until(condition: Callable[[], bool], *, timeout_s: float) -> bool:
    """Wait for a condition inside a bound; return whether it came true."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(_POLL_S)
    return True


def leash(number: signal.Signals) -> Callable[[], None]:
    """Return a `preexec_fn` that makes the kernel signal the child when its parent thread dies.

    Elsewhere than on Linux it does nothing: what a killed supervisor leaves is found by its record.
    """
    parent = os.getpid()

    def tie() -> None:
        if _libc is None:
            return
        _libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # it died between fork and here
            os._exit(1)

    return tie


def free_port(preferred: int | None = None) -> int:
    """Return a TCP port of 127.0.0.1 that is free now, the preferred one if it is, or soon will be.

    A server that was killed holds its port for a moment longer than its name in the process table.
    """
    if preferred and wait_until(lambda: _bound(preferred) is not None, timeout_s=_PORT_PATIENCE_S):
        return preferred
    port = _bound(0)
    if port is None:
        raise OSError("no free port on 127.0.0.1")
    return port


def _bound(port: int) -> int | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return None
        return int(probe.getsockname()[1])
