"""Serve MCP on stdin and stdout."""

import os
import sys
import threading
from argparse import ArgumentParser
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from loomsite.embedded import attach, services
from loomsite.embedded.errors import EmbeddedError
from loomsite.embedded.home import Home, default_root
from loomsite.management.door import DoorCommand
from mcp_server import stdio

_LOOK_EVERY_S = 1.0
_END_WITHIN_S = 60.0


class Command(DoorCommand):
    help = (
        "Serve MCP over stdio, for an assistant to start: tools to submit and follow tasks and to"
        " search knowledge. LOOM_API_KEY says for whom; unset: the default workspace. Where no"
        " control plane runs over LOOM_HOME, one runs for as long as this does."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--json",
            action="store_true",
            help="print what would be served as one JSON object, and leave",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["json"]:
            with self.told_to_a_person():
                self.emit(stdio.served())
            return
        home = Home(root=default_root(os.environ))
        with self.told_to_a_person(), _kept_up(home):
            stdio.serve()


@contextmanager
def _kept_up(home: Home) -> Generator[None]:
    """Keep a control plane running over this home, whoever started it; the assistant need not wait.

    Where DATABASE_URL names a database elsewhere, so are its workers.
    """
    if services.known(home).get("DATABASE_URL") != os.environ.get("DATABASE_URL"):
        yield
        return
    leaving = threading.Event()
    keeper = threading.Thread(target=_keep, args=(home, leaving), name="keep-up")
    keeper.start()
    try:
        yield
    finally:
        leaving.set()
        keeper.join(_END_WITHIN_S)


def _keep(home: Home, leaving: threading.Event) -> None:
    while not leaving.is_set():
        try:
            with attach.stack(home, os.environ):
                while attach.running(home) is not None and not leaving.wait(_LOOK_EVERY_S):
                    pass
        except EmbeddedError as error:  # two may start one at once: the other's is as good
            if attach.running(home) is None:
                print(f"loom: {error}", file=sys.stderr)
            leaving.wait(_LOOK_EVERY_S)
