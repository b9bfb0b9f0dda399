"""The chaos check of `benchmarks.durability`, abridged."""

import json
import os
import subprocess
import sys
from pathlib import Path

from loomsite.embedded.services import Urls
from tests.requirements import requirement

ROOT = Path(__file__).parents[2]


@requirement("bad_days.chaos")
def test_tasks_under_chaos_end_as_they_do_undisturbed(service_urls: Urls, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = "-m benchmarks.durability --tasks 12 --kill-every-s 4 --latency-ms 500 --timeout-s 99"

    done = subprocess.run(
        [sys.executable, *command.split(), "--json", str(report)],
        cwd=ROOT,
        env={**os.environ, **service_urls.to_environment()},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    came = json.loads(report.read_text())
    assert came["undisturbed"]["statuses"] == came["disturbed"]["statuses"] == {"succeeded": 36}
    assert (came["answers_differing"], came["disturbed"]["broken"]) == (0, {})
    assert came["disturbed"]["kills"] >= 2
