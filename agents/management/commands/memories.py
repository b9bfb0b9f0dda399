"""Export or erase what is remembered about a subject."""

import json
from argparse import ArgumentParser
from typing import Any

from agents.selectors.memory_curation import memories_export
from agents.services.memories import memories_erase
from knowledge.management.door import KnowledgeCommand
from loomsite.access.selectors import DEFAULT_WORKSPACE, workspace_id_of


class Command(KnowledgeCommand):
    help = (
        "Print all that is remembered about a subject, with its history and where it was used, or "
        "erase it for good."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["export", "erase"])
        parser.add_argument("--subject", required=True, metavar="S", help="whom it is about")
        parser.add_argument("--workspace", default=DEFAULT_WORKSPACE, metavar="SLUG")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        subject = options["subject"]
        with self.told_to_a_person():
            workspace_id = workspace_id_of(slug=options["workspace"])
            if options["action"] == "export":
                result = memories_export(workspace_id=workspace_id, subject=subject)
            else:
                count = memories_erase(workspace_id=workspace_id, subject=subject)
                result = {"subject": subject, "erased": count}
        if options["json"]:
            self.emit(result)
        elif options["action"] == "export":
            self.stdout.write(json.dumps(result, ensure_ascii=False, indent=2, default=str))
        else:
            self.stdout.write(f"{result['erased']} memories about {subject!r} erased.")
