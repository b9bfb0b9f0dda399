"""Print what an assistant has to be told to find this server."""

import os
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from loomsite.access import selectors, services
from loomsite.access.core import scopes
from loomsite.embedded import attach
from loomsite.embedded import services as embedded
from loomsite.embedded.home import Home
from loomsite.management.door import DoorCommand
from mcp_server import clients

_BASE = Path(__file__).resolve().parent.parent.parent.parent


class Command(DoorCommand):
    help = (
        "Print the MCP configuration of a client, filled in: of this checkout and LOOM_HOME over"
        " stdio, or with --http of the running control plane and a key."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("client", choices=clients.CLIENTS, metavar="CLIENT", help=_choices())
        parser.add_argument("--http", action="store_true", help="by address, not as a program")
        parser.add_argument("--url", help="another address than that of the running stack")
        parser.add_argument(
            "--key", default=settings.LOOM_API_KEY, help="an API key; default: LOOM_API_KEY"
        )
        parser.add_argument(
            "--new-key",
            metavar="USER",
            help="make a key for this person in the default workspace, for all but `admin`",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        with self.told_to_a_person():
            key = options["key"]
            if options["new_key"]:
                key = _new_key(options["new_key"])
            try:
                transport = self._http(options["url"], key) if options["http"] else _stdio(key)
                found = clients.entry(options["client"], transport)
            except ValueError as error:
                self.refuse(str(error))
        if options["json"]:
            self.emit({"file": found.file, "text": found.text, "command": found.also or None})
            return
        self.say(f"Put this into {found.file}:")
        self.stdout.write(found.text)
        if found.also:
            self.say("Or run:")
            self.say(found.also)

    def _http(self, url: str | None, key: str) -> clients.Http:
        running = attach.running(Home(root=settings.LOOM_HOME))
        public = f"{settings.LOOM_PUBLIC_URL}/mcp" if settings.LOOM_PUBLIC_URL else None
        found = url or public or (running.mcp_url if running else None)
        if found is None:
            self.fail("No control plane runs here: start it with `make up`, or give --url.")
        if not key:
            self.say("There is no key: give --key or --new-key, or replace the placeholder.")
        return clients.Http(url=found, key=key or clients.KEY_PLACEHOLDER)


def _stdio(key: str) -> clients.Stdio:
    home = Home(root=settings.LOOM_HOME)
    environment = {"LOOM_HOME": str(home.root), "PYTHONPATH": str(_BASE)}
    known = embedded.known(home)
    for name in ("DATABASE_URL", "REDIS_URL"):  # where they are elsewhere, the client has to know
        value = os.environ.get(name, "")
        if value and value != known.get(name):
            environment[name] = value
    if key:
        environment["LOOM_API_KEY"] = key
    return clients.Stdio(
        command=sys.executable, arguments=("-m", "loomsite", "mcp"), environment=environment
    )


def _new_key(user: str) -> str:
    services.workspace_ensure(slug=selectors.DEFAULT_WORKSPACE, name="Default")
    return services.apikey_create(
        workspace_slug=selectors.DEFAULT_WORKSPACE,
        user=user,
        scopes=[scope for scope in scopes.SCOPES if scope != scopes.ADMIN],
        name="MCP",
    )


def _choices() -> str:
    return "one of: " + ", ".join(clients.CLIENTS)
