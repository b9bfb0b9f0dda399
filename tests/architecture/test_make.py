"""The targets of make: what they install, and that a failure inside one is a failure of it."""

import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.requirements import requirement

ROOT = Path(__file__).parents[2]
LOCKED = [
    Requirement(line.rstrip("\\ "))
    for line in (ROOT / "requirements.lock").read_text().splitlines()
    if re.match(r"[A-Za-z0-9]", line)
]
_BROKEN = "#!/bin/sh\nexit 7\n"


@requirement("make.setup")
def test_what_setup_installs_is_all_that_is_named_and_is_here():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    named = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    locked = {canonicalize_name(each.name) for each in LOCKED}

    wanted = [each for each in LOCKED if each.marker is None or each.marker.evaluate()]
    missing = [each for each in wanted if not each.specifier.contains(_has(each))]

    assert {canonicalize_name(Requirement(line).name) for line in named} <= locked
    assert [str(each) for each in missing] == []
    assert sys.version_info >= (3, 11)


@requirement("make.fails")
@pytest.mark.parametrize(
    "target",
    ["setup", "demo", "up", "down", "test", "test-fast", "check", "bench", "fmt", "lint", "types",
     "imports", "chaos", "conformance", "screenshots"],
)  # fmt: skip
def test_a_target_whose_programs_fail_fails(target, tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements.lock").touch()
    for name in ("benchmarks/market.py", "bench/data"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("python", "ruff", "pyright", "lint-imports"):
        (programs / name).write_text(_BROKEN)
        (programs / name).chmod(0o755)
    if target != "setup":
        (tmp_path / ".venv" / ".installed").touch()
    environment = {"PATH": f"{programs}:/usr/bin:/bin", "LOOM_BENCH": str(tmp_path / "bench")}
    for name in ("python3.11", "python3.12", "python3.13", "python3.14", "python3"):
        (programs / name).write_text(_BROKEN)
        (programs / name).chmod(0o755)

    done = subprocess.run(
        ["make", target], cwd=tmp_path, env=environment, capture_output=True, timeout=30,
        check=False,
    )  # fmt: skip

    assert done.returncode != 0, done.stdout + done.stderr


def _has(one: Requirement) -> str:
    try:
        return version(one.name)
    except PackageNotFoundError:
        return "0"
