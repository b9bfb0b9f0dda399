"""The demo on a machine that has nothing: services of its own, no model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from loomsite.embedded.attach import child_environment
from loomsite.embedded.home import Home
from tests.requirements import requirement

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 240


@pytest.fixture
def bare_machine(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a machine without services, model or settings of ours."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LOOM_", "OPENAI_", "DJANGO_", "DATABASE_", "REDIS_"))
    }
    home = tmp_path / "a home"
    return {**child_environment(Home(root=home), environment), "LOOM_HOME": str(home)}


def demo(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "demo", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@requirement("make.demo")
def test_demo_runs_a_split_job_through_all_phases_and_stops_what_it_started(
    bare_machine: dict[str, str],
):
    done = demo(bare_machine)

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    said = done.stdout
    phases = ["SENSE", "MATCH", "SCALE", "EXECUTE", "EVALUATE", "ADAPT"]
    assert [said.index(phase) for phase in phases] == sorted(said.index(phase) for phase in phases)
    assert "extractive reader" in said
    assert "split into 4" in said
    assert "capability updated" in said
    assert "/admin/cluster/task/" in said
    assert not (Path(bare_machine["LOOM_HOME"]) / "up.json").exists()


def test_demo_with_a_goal_of_ones_own_prints_one_object_and_the_truth_as_exit_code(
    bare_machine: dict[str, str],
):
    done = demo(bare_machine, "--json", "--goal", "qwxyz vbnmk?")

    task = json.loads(done.stdout)
    assert (task["status"], done.returncode) == ("failed", 1)
    assert task["error"]["message"].startswith("required check 'cites_sources' failed")
