"""Compare what the market believes with its ledger, and set it to what the ledger says."""

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from cluster.services.ledger import Audit, market_audit
from loomsite.access.selectors import DEFAULT_WORKSPACE, workspace_id_of
from loomsite.management.door import OTHER, DoorCommand


class Command(DoorCommand):
    help = (
        "Read the market's ledger from its first line on, and set what is believed of agents and "
        "their lines to what it says. Work goes on meanwhile. Exit codes: 0 they are equal now, "
        "1 they differ, 2 usage."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--workspace", default=DEFAULT_WORKSPACE, metavar="SLUG")
        parser.add_argument("--check", action="store_true", help="compare only, change nothing")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        with self.told_to_a_person():
            workspace_id = workspace_id_of(slug=options["workspace"])
            found = market_audit(workspace_id=workspace_id, rebuild=not options["check"])
        equal = len(found.drift) == found.rebuilt
        if options["json"]:
            self.emit({"workspace": options["workspace"], "equal": equal, **asdict(found)})
        else:
            for each in found.drift:
                self.stdout.write(f"{each.family or 'all'}: {each.reason}")
            self.stdout.write(_said(found, equal=equal))
        if not equal:
            raise SystemExit(OTHER)


def _said(found: Audit, *, equal: bool) -> str:
    seen = f"Families: {found.families}, agents: {found.nodes}, results: {found.lines}."
    verdict = "equals its ledger" if equal else "differs from its ledger"
    rebuilt = f"; rows rebuilt: {found.rebuilt}" if found.rebuilt else ""
    return f"{seen} The market {verdict}{rebuilt}."
