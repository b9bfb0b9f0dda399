"""Report the state of each part and what to do about a fault."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from loomsite.management.checkup import Check, checkup

_MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


class Command(BaseCommand):
    """Exits 0 only when nothing fails; a warning is not a failure."""

    help = "Check every part: versions, latencies, and what to do about a fault."
    requires_system_checks = []  # pyright: ignore[reportAssignmentType] -- the stubs say str

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        checks = checkup()
        is_well = all(check.status != "fail" for check in checks)
        if options["json"]:
            print(json.dumps({"ok": is_well, "checks": [check.to_json() for check in checks]}))
        else:
            print("\n".join(_line(check) for check in checks))
            print("Nothing fails." if is_well else "Something fails: see above.", file=sys.stderr)
        if not is_well:
            sys.exit(1)


def _line(check: Check) -> str:
    facts = [check.version or "", check.detail]
    if check.latency_ms is not None:
        facts.append(f"({check.latency_ms:g} ms)")
    line = f"{_MARKS[check.status]}  {check.name:<12} {' '.join(filter(None, facts))}"
    return f"{line}\n      {'':<12} -> {check.advice}" if check.advice else line
