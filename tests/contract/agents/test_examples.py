"""Every example runs as it is, against the local server and by environment alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.requirements import requirement

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted(p.name for p in (ROOT / "examples").glob("*.py") if p.name != "__init__.py")
SAYS = {
    "quickstart_run.py": "Answer: What does a loom do? (",
    "quickstart_stream.py": "Answer: What does a loom do?\n",
    "quickstart_tools.py": "Result: 480",
    "quickstart_bus.py": "bob is done",
    "memory.py": "- Remember that my loom is called Penelope.",
    "knowledge.py": "'The weft is the thread that is woven crosswise through the warp.'",
    "context.py": "'source': 'memory'",
    "skills.py": "then darn along the weft.",
    "interceptors.py": "The password is [redacted].",
    "events.py": 'calculator {"expression": "6*7"} -> 42',
    "limits.py": "agents.budget_exceeded - The run used its 2 steps.",
    "mcp_tools.py": "\nResult: 84 euros",
    "providers.py": "presets: openai, deepseek",
    "resume.py": "letters: ['Ann']",
    "policy.py": "Not allowed: the scene 'look only' forbids it.\nResult: 42",
}


def test_every_example_is_known_here():
    assert sorted(SAYS) == EXAMPLES


@pytest.mark.parametrize("name", EXAMPLES)
@requirement("python.quick_starts")
def test_an_example_says_what_it_should(wire, name):
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "LOOM_"))},
        "OPENAI_BASE_URL": wire.url,
        "OPENAI_API_KEY": "none",
        "LOOM_MODEL": "local",
        "PYTHONPATH": str(ROOT),
    }

    ended = subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "examples" / name)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert SAYS[name] in ended.stdout


@pytest.mark.parametrize("name", [n for n in EXAMPLES if n.startswith("quickstart_")])
@requirement("python.quick_starts")
def test_a_quick_start_has_about_ten_lines_of_its_own(name):
    lines = (ROOT / "examples" / name).read_text().splitlines()
    own = [line for line in lines if line.strip() and not line.startswith(("import", "from", '"'))]

    assert len(own) <= 14
