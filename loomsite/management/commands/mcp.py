"""Serve MCP on stdin and stdout."""

from typing import Any

from loomsite.management.door import DoorCommand
from mcp_server import stdio


class Command(DoorCommand):
    help = (
        "Serve MCP over stdio, for an assistant to start: tools to submit and follow tasks and to"
        " search knowledge. LOOM_API_KEY says for whom; unset: the default workspace."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        with self.told_to_a_person():
            stdio.serve()
