"""What each page of the admin costs at a million tasks: queries, and milliseconds of the server.

    python -m benchmarks.admin [--tasks 1000000] [--home DIR] [--json FILE]

The rows are made in SQL in a throwaway database (kept in --home when that is given, so that a
second run begins at once). Exit code 1 when a page is over its limit.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from loomsite.embedded import services
from loomsite.embedded.home import Home


def main() -> int:
    """Run the benchmark and return the exit code."""
    parser = argparse.ArgumentParser(description="Open every page of the admin on a big instance.")
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=[""], help="pages whose name holds one")
    parser.add_argument("--home", type=Path, default=None, metavar="DIR")
    parser.add_argument("--json", type=Path, default=None, metavar="FILE")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="loom-admin-") as root:
        home = Home(root=told.home or Path(root) / "home")
        os.environ["LOOM_HOME"] = str(home.root)
        with services.held(home, {}, throwaway=True) as urls:
            os.environ.update(urls.to_environment())
            found = _measured(told)
    for line in found["pages"]:
        over = "" if line["ok"] else "  OVER"
        print(
            f"{line['person']:9s} {line['page']:58s} {line['queries']:3d} queries"
            f" {line['p50_ms']:7.1f} ms (slowest {line['max_ms']:.1f}),"
            f" {line['cpu_ms']:6.1f} ms of CPU{over}"
        )
    if told.json:
        told.json.write_text(json.dumps(found, indent=2) + "\n")
    missed = [line for line in found["pages"] if not line["ok"]]
    print(f"{len(found['pages'])} pages, {len(missed)} over their limit", file=sys.stderr)
    return 1 if missed else 0


def _measured(told: argparse.Namespace) -> dict[str, Any]:
    os.environ["DJANGO_SETTINGS_MODULE"] = "loomsite.settings"
    import django  # noqa: PLC0415 -- after the environment is complete

    django.setup()
    from benchmarks.admin.pages import measure  # noqa: PLC0415 -- needs Django

    return measure(
        tasks=told.tasks,
        repeat=told.repeat,
        only=told.only,
        say=lambda text: print(text, file=sys.stderr, flush=True),
    )


if __name__ == "__main__":
    sys.exit(main())
