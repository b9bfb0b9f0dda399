"""Who is measured: ourselves in this environment, other frameworks in theirs."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

FRAMEWORKS = (
    "rawhttp", "pydanticai", "oaiagents", "msaf", "agno", "langgraph", "smolagents", "crewai",
    "loom",
)  # fmt: skip
DISTRIBUTIONS = {
    "bare": "openai", "rawhttp": "aiohttp", "pydanticai": "pydantic-ai-slim",
    "oaiagents": "openai-agents", "msaf": "agent-framework-core", "agno": "agno",
    "langgraph": "langgraph", "smolagents": "smolagents", "crewai": "crewai", "loom": "loom-agent",
}  # fmt: skip
_OURS = {
    "bare": frozenset({"import", "single", "tool1", "tool10", "stream", "conc50", "conv30"}),
    "ours": frozenset(
        {"import", "init", "single", "tool1", "tool10", "stream", "conc50", "conv30", "fault"}
    ),
    "ours_journaled": frozenset({"single", "tool1", "tool10", "conc50"}),
    "ours_compact": frozenset({"conv30"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the table: an adapter and the interpreter it runs in."""

    name: str
    peer: str
    python: Path
    cases: frozenset[str] | None = None

    @property
    def own(self) -> bool:
        return self.cases is not None

    def has(self, case: str) -> bool:
        return self.cases is None or case in self.cases

    def command(self, bench: Path) -> list[str]:
        if self.cases is not None:
            return [str(self.python), "-W", "ignore", "-m", "benchmarks.runtime.worker"]
        return [str(self.python), "-W", "ignore", str(bench / "runtime" / "worker.py")]

    def environment(self, bench: Path) -> dict[str, str]:
        added = {"LOOM_BENCH": str(bench)}
        if self.cases is None:
            home = _venvs(bench) / "home"  # some write settings or caches there
            home.mkdir(exist_ok=True)
            added["HOME"] = str(home)
        return {**os.environ, **added}

    def version(self) -> str:
        """Return the framework's version, and that of the client it stands on."""
        own = DISTRIBUTIONS.get(self.peer, "")
        program = (
            "import importlib.metadata as m, sys\n"
            "def v(n):\n"
            "    try: return n + ' ' + m.version(n)\n"
            "    except m.PackageNotFoundError: return ''\n"
            "print(', '.join(filter(None, map(v, dict.fromkeys(sys.argv[1:])))))"
        )
        ended = subprocess.run(  # noqa: S603 -- our own interpreter, or a peer's
            [str(self.python), "-c", program, *filter(None, (own, "openai"))],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return ended.stdout.strip()


def ours() -> list[Row]:
    """Return the rows of this environment."""
    here = Path(sys.executable)
    return [Row(name=name, peer=name, python=here, cases=cases) for name, cases in _OURS.items()]


def others(bench: Path, wanted: str) -> list[Row]:
    """Return the other frameworks that have an environment, of those wanted."""
    if wanted == "none":
        return []
    names = FRAMEWORKS if wanted == "all" else tuple(wanted.split(","))
    found: list[Row] = []
    for name in names:
        python = _venvs(bench) / name / "bin" / "python"
        if python.exists():
            found.append(Row(name=name, peer=name, python=python))
        else:
            print(f"{name} is left out: no environment at {python.parent}", file=sys.stderr)
    return found


@contextmanager
def scripted_server(bench: Path) -> Iterator[str]:
    """Run the benchmark's server and yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = bench / "runtime" / "fake_openai.py"
    server = subprocess.Popen(  # noqa: S603 -- our own interpreter
        [sys.executable, str(program), "--port", str(port)]
    )
    try:
        for _ in range(400):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                break
        else:
            raise SystemExit("The benchmark's server did not start.")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def _venvs(bench: Path) -> Path:
    return Path(os.environ.get("BENCH_VENVS") or bench / "venvs").resolve()
