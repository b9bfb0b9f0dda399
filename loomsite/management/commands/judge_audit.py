"""Measure a workspace's judge on answers of known worth."""

import json
from argparse import ArgumentParser
from typing import Any

from cluster import wiring
from cluster.selectors.judging import judge_report
from loomsite.access.selectors import workspace_id_of
from loomsite.management.door import OTHER, DoorCommand


class Command(DoorCommand):
    help = (
        "Let the judge grade the calibration set, and say how far it is believed. "
        "Exit codes: 0 measured, 1 nothing to measure it on, 2 usage."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--workspace", metavar="SLUG", default="default")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        with self.told_to_a_person():
            workspace_id = workspace_id_of(slug=options["workspace"])
        done = wiring.judge_audit(workspace_id=workspace_id, actor="cli")
        report = judge_report(workspace_id=workspace_id)
        if options["json"]:
            self.stdout.write(json.dumps(report))
        else:
            self.stdout.write(f"trust {report['trust']:.2f}: {report['reason']}")
        if done.audit_id is None:
            self.stderr.write("There are no calibration cases: add answers whose worth is known.")
            raise SystemExit(OTHER)
