"""Find the control plane that runs over a home, run one for a while, or stop it."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from loomsite.embedded import process, services
from loomsite.embedded.errors import ServiceFailed
from loomsite.embedded.home import Home, take_lock
from loomsite.embedded.process import ProcessId

UP_LOCK = "up.lock"
_READY_TIMEOUT_S = 180.0
_STOP = [(signal.SIGTERM, 45.0), (signal.SIGKILL, 5.0)]
_STOP_CHILD = [(signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A control plane that is up."""

    pid: int
    url: str
    mcp_url: str


def running(home: Home) -> Stack | None:
    """Return the control plane that serves this home, or None when none is ready."""
    record = home.read_record(home.up_record)
    url, mcp_url = record.get("url"), record.get("mcp_url")
    found = process.from_record(record)
    if found is None or not isinstance(url, str) or not isinstance(mcp_url, str):
        return None
    return Stack(pid=found.pid, url=url, mcp_url=mcp_url)


def supervisor(home: Home) -> ProcessId | None:
    """Return the supervisor of this home, ready or still starting."""
    if not (home.root / UP_LOCK).exists():
        return None
    lock = home.open_lock(UP_LOCK)
    try:
        if take_lock(lock):
            return None
    finally:
        os.close(lock)
    return process.from_record(home.read_record(home.root / UP_LOCK))


def leftovers(home: Home) -> list[tuple[str, ProcessId]]:
    """Return the web, worker and beat processes that a killed supervisor left behind."""
    record = home.read_record(home.children_record).get("children")
    found: list[tuple[str, ProcessId]] = []
    for entry in cast("list[Any]", record) if isinstance(record, list) else []:
        if not isinstance(entry, dict):
            continue
        child = cast("dict[str, Any]", entry)
        if known := process.from_record(child):
            found.append((str(child.get("name", "child")), known))
    return found


def stop_leftovers(home: Home) -> list[str]:
    """Stop what a killed supervisor left behind; return the names."""
    stopped: list[str] = []
    for name, child in leftovers(home):
        process.stop(child, _STOP_CHILD)
        stopped.append(name)
    home.children_record.unlink(missing_ok=True)
    return stopped


def down(home: Home) -> list[str]:
    """Stop everything of this home: supervisor, its children, services; return what ran.

    Raises:
        ServiceFailed: Something does not end.
        HomeUnusable: The home cannot be read.
    """
    if not home.root.is_dir():
        return []
    stopped: list[str] = []
    if found := supervisor(home):
        if not process.stop(found, _STOP):
            raise ServiceFailed(f"The supervisor (pid {found.pid}) does not stop.")
        stopped.append("supervisor")
    stopped += stop_leftovers(home)
    stopped += services.stop(home)
    home.up_record.unlink(missing_ok=True)
    return stopped


@contextmanager
def stack(
    home: Home, environment: Mapping[str, str], *, arguments: Sequence[str] = ()
) -> Generator[Stack]:
    """Give the control plane of this home, started for the length of the block if none runs.

    What a started one has to say goes to stderr.

    Raises:
        ServiceFailed: It does not come up; it has said why.
    """
    if found := running(home):
        yield found
        return
    child = subprocess.Popen(  # noqa: S603 -- ourselves
        [sys.executable, "-m", "loomsite", "up", *arguments],
        env=child_environment(home, environment),
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),
        start_new_session=True,  # Ctrl-C is for the caller, which stops it
        preexec_fn=process.leash(signal.SIGTERM),  # noqa: PLW1509 -- one prctl, no lock
    )
    try:
        process.wait_until(
            lambda: child.poll() is not None or running(home) is not None,
            timeout_s=_READY_TIMEOUT_S,
        )
        found = running(home)
        if found is None:
            raise ServiceFailed("The control plane did not come up: see what it said above.")
        yield found
    finally:
        child.terminate()
        try:
            child.wait(45)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def child_environment(home: Home, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a Python process of ours: it finds our packages and this home."""
    base = str(Path(__file__).resolve().parent.parent.parent)
    paths = [base, *filter(None, [environment.get("PYTHONPATH")])]
    return {
        **environment,
        "LOOM_HOME": str(home.root),
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
    }
