"""`make conformance`: an independent suite and an independent client against our MCP servers.

Each suite ends in a line `SUITE: N passed, M failed`; the exit code is 0 when nothing failed. What
the suite prints goes to `build/conformance/*.log`.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from loomsite.embedded import services
from loomsite.embedded.home import Home
from tests import processes
from tests.conformance import fleet, inspector, node
from tests.conformance.tally import Tally, say

FOLDER = Path("build/conformance")
FIXTURES = "tests.conformance.server:application"
MODERN, HANDSHAKE = "2026-07-28", "2025-11-25"
CLIENTS = 50

# What the suite asks of any server, whatever its tools are called.
FREE = {
    MODERN: (
        "tools-list", "resources-list", "prompts-list", "completion-complete", "caching",
        "sep-2164-resource-not-found", "server-sse-multiple-streams", "dns-rebinding-protection",
        "http-header-validation", "input-required-result-unsupported-methods",
    ),
    HANDSHAKE: (
        "server-initialize", "ping", "logging-set-level", "completion-complete", "tools-list",
        "resources-list", "prompts-list", "dns-rebinding-protection",
    ),
}  # fmt: skip
# The suite has these scenarios in name only, so far: they check nothing.
WITHOUT_CHECKS = {"tasks-status-notifications"}
_SUMMARY = re.compile(r"^[✓✗] (\S+): (\d+) passed, (\d+) failed", re.MULTILINE)
_TOTAL = re.compile(r"^Passed: (\d+)/(\d+), (\d+) failed", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """The suite, ready to run."""

    tools: node.Tools

    @property
    def root(self) -> Path:
        return self.tools.modules / "@modelcontextprotocol" / "conformance"

    def required(self, revision: str) -> dict[str, list[str]]:
        """Return the scenarios that a revision scores, and those that it only runs."""
        listed = yaml.safe_load((self.root / "requirements" / f"{revision}.yaml").read_text())
        others = [one["scenario"] for one in listed["not_scored"] if one["leg"] == "server"]
        return {"scored": listed["server"], "others": others}

    def requirements(self, url: str, revision: str) -> dict[str, tuple[int, int]]:
        """Run all that a revision asks; return the passed and failed checks of each scenario."""
        text = self._run(revision, ["--url", url, "--requirements", revision], fresh=True)
        return {name: (int(good), int(bad)) for name, good, bad in _SUMMARY.findall(text)}

    def scenario(self, url: str, revision: str, name: str) -> tuple[int, int]:
        """Run one scenario; return its passed and failed checks."""
        text = self._run(
            f"product-{revision}",
            ["--url", url, "--scenario", name, "--spec-version", revision],
            fresh=False,
        )
        found = _TOTAL.search(text)
        return (int(found[1]), int(found[3])) if found else (0, 1)

    def _run(self, name: str, arguments: Sequence[str], *, fresh: bool) -> str:
        program = [str(self.root / "dist" / "index.js"), "server", *arguments]
        return self.tools.run(program, FOLDER / f"{name}.log", fresh=fresh)[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Urls:
    """Where the servers are."""

    fixtures: str
    sessions: str
    products: tuple[str, str]


def main() -> int:
    """Run everything and return 0 when nothing failed."""
    try:
        program = node.find()
        say(f"Installing {node.SUITE} and {node.INSPECTOR} for {program} ...")
        tools = node.install(program, FOLDER)
    except (node.NodeMissing, subprocess.SubprocessError, OSError) as error:
        say(f"Nothing was checked: {error}")
        return 1
    with running() as (stack, urls):
        tallies = list(everything(tools, stack, urls))
    say("")
    for tally in tallies:
        for name in tally.failed:
            say(f"{tally.suite} failed: {name}")
    for tally in tallies:
        print(tally.line(), flush=True)
    return 1 if any(tally.failed or not tally.passed for tally in tallies) else 0


def everything(tools: node.Tools, stack: processes.Stack, urls: Urls) -> Iterator[Tally]:
    """Give the tally of each suite as it is done."""
    suite = Suite(tools=tools)
    for revision, url in ((MODERN, urls.fixtures), (HANDSHAKE, urls.sessions)):
        say(f"Running what {revision} requires ...")
        checks, listed = suite.requirements(url, revision), suite.required(revision)
        yield tallied(f"conformance-{revision}", listed["scored"], checks)
        tasks = [name for name in listed["others"] if name.startswith("tasks-")]
        if tasks:
            yield tallied("conformance-tasks", set(tasks) - WITHOUT_CHECKS, checks)
    for revision, names in FREE.items():
        say(f"Running the product at {revision} ...")
        checks = {name: suite.scenario(urls.products[0], revision, name) for name in names}
        yield tallied(f"product-{revision}", names, checks)
    say("Running the inspector ...")
    yield inspector.inspect(tools, urls.products[0], FOLDER / "inspector.log")
    say(f"Running {CLIENTS} clients of each era on two servers ...")
    yield fleet.run(urls.products, key=stack.api_key, clients=CLIENTS)


def tallied(suite: str, names: Iterable[str], checks: dict[str, tuple[int, int]]) -> Tally:
    """Count the scenarios; one that did not run, or checked nothing, has failed."""
    wanted = sorted(names)
    good = [name for name in wanted if (found := checks.get(name)) and found[0] and not found[1]]
    tally = Tally(suite=suite, passed=len(good), failed=tuple(sorted(set(wanted) - set(good))))
    say(tally.line())
    return tally


@contextmanager
def running() -> Iterator[tuple[processes.Stack, Urls]]:
    """Start services and servers of our own, and stop them."""
    with tempfile.TemporaryDirectory(prefix="loom-conformance-") as folder:
        home = Path(folder)
        with services.held(Home(root=home), {}, throwaway=True) as found:
            variables = processes.environment(home, found.database_url, found.redis_url)
            made = processes.bootstrap(variables)
            stack = processes.Stack(
                home=home,
                database_url=found.database_url,
                redis_url=found.redis_url,
                api_key=made["api_key"],
                admin_password=made["admin_password"],
                environment={**variables, "LOOM_MCP_NO_AUTH": "1"},
            )
            try:
                yield stack, start(stack)
            finally:
                stack.stop()


def start(stack: processes.Stack) -> Urls:
    """Start the fixtures without and with sessions, the product twice, and a worker."""
    say("Starting the fixtures, two servers of the product and a worker ...")
    stack.start_web(application=FIXTURES)
    fixtures = stack.url
    stack.start_web(application=FIXTURES, LOOM_CONFORMANCE_SESSIONS="1")
    sessions = stack.url
    stack.start_web()
    first = stack.url
    stack.start_web()
    stack.start_worker()
    return Urls(
        fixtures=f"{fixtures}/mcp",
        sessions=f"{sessions}/mcp",
        products=(f"{first}/mcp", f"{stack.url}/mcp"),
    )


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loomsite.settings")
    sys.exit(main())
