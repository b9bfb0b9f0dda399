"""The folder that holds everything a machine keeps for Loom: `LOOM_HOME`."""

import errno
import fcntl
import json
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from loomsite.embedded.errors import HomeUnusable

LEAST_FREE_BYTES = 64 * 1024 * 1024
_CHECKOUT = Path(__file__).resolve().parent.parent.parent


def default_root(environment: Mapping[str, str]) -> Path:
    """Return the folder named by LOOM_HOME, else `.loom` in the checkout, else in this folder."""
    if named := environment.get("LOOM_HOME", "").strip():
        return Path(named).expanduser().absolute()
    base = _CHECKOUT if (_CHECKOUT / "manage.py").is_file() else Path.cwd()
    return base / ".loom"


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The paths under one `LOOM_HOME`, and how its private files are written."""

    root: Path

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def up_record(self) -> Path:
        """Where a running control plane says its `pid url mcp_url`."""
        return self.root / "up.json"

    @property
    def children_record(self) -> Path:
        return self.root / "children.json"

    @property
    def services_record(self) -> Path:
        return self.root / "services.json"

    def prepare(self) -> None:
        """Create the folder for its owner alone and prove that it can be written.

        Raises:
            HomeUnusable: It is read-only, full, or in the way.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self._close_to_others()
            self.logs.mkdir(exist_ok=True)
            self.cache.mkdir(exist_ok=True)
            probe = self.root / f".write-{os.getpid()}"
            try:
                probe.write_bytes(b"\0" * 4096)
            finally:
                probe.unlink(missing_ok=True)
            free = shutil.disk_usage(self.root).free
        except OSError as error:
            raise unusable(self.root, error) from None
        if free < LEAST_FREE_BYTES:
            raise HomeUnusable(
                f"LOOM_HOME {str(self.root)!r} has {free // 2**20} MB left on its disk: free at"
                f" least {LEAST_FREE_BYTES // 2**20} MB or point LOOM_HOME elsewhere."
            )

    def _close_to_others(self) -> None:
        """Keep others out of our folder; one that we marked read-only is not ours to open again."""
        found = self.root.stat()
        if found.st_uid != os.geteuid():
            return
        if not found.st_mode & stat.S_IWUSR:  # root could write all the same
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        if found.st_mode & 0o077:
            self.root.chmod(0o700)

    def write_private(self, path: Path, text: str) -> None:
        """Replace a file in one step; only its owner may read it.

        Raises:
            HomeUnusable: The folder cannot be written.
        """
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise unusable(self.root, error) from None

    def write_record(self, path: Path, record: dict[str, Any]) -> None:
        """Keep a small JSON object, readable by its owner alone."""
        self.write_private(path, json.dumps(record, indent=2) + "\n")

    def read_record(self, path: Path) -> dict[str, Any]:
        """Return what `write_record` kept; empty when there is none or it cannot be read."""
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return cast("dict[str, Any]", record) if isinstance(record, dict) else {}

    def secret(self, name: str, make: Callable[[], str] = lambda: secrets.token_urlsafe(32)) -> str:
        """Return the secret of this name, made on first use and the same ever after.

        Raises:
            HomeUnusable: It is not there and cannot be made, or may not be read.
        """
        path = self.root / "secrets" / name
        try:
            kept = path.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            kept = ""
        except OSError as error:
            raise unusable(self.root, error) from None
        if kept:
            return kept
        self.prepare()
        with self.locked("secrets.lock"):  # two first starts at once agree on one secret
            with suppress(OSError):
                kept = path.read_text(encoding="utf-8").strip()
            if not kept:
                kept = make()
                self.write_private(path, kept + "\n")
                path.parent.chmod(0o700)
        return kept

    @contextmanager
    def locked(self, name: str) -> Generator[None]:
        """Hold a lock of this folder alone, waiting for it."""
        descriptor = self.open_lock(name)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def open_lock(self, name: str) -> int:
        """Return a descriptor to `flock`; closing it, or dying, gives the lock back.

        Raises:
            HomeUnusable: The folder cannot be written.
        """
        try:
            return os.open(self.root / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise unusable(self.root, error) from None


def unusable(root: Path, error: OSError) -> HomeUnusable:
    """Return the error that says why this folder cannot be used, and what to do."""
    reason = error.strerror or type(error).__name__
    return HomeUnusable(
        f"LOOM_HOME {str(root)!r} cannot be used ({reason}): make it a folder that you may write"
        " and that has space, or point LOOM_HOME elsewhere."
    )


def take_lock(descriptor: int, *, shared: bool = False) -> bool:
    """Try to take a lock without waiting; return whether it is held now."""
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
