"""Submit a goal to the running cluster."""

import os
import sys
from argparse import ArgumentParser
from typing import Any, TextIO

from django.conf import settings
from rich.console import Console

from cluster.core.submission import goal_read
from cluster.core.types import Status
from cluster.selectors import tasks as selectors
from cluster.services import tasks as services
from loomsite.access import selectors as access
from loomsite.access.core.errors import NotAuthenticated
from loomsite.access.core.types import Principal
from loomsite.access.services import apikey_authenticate
from loomsite.embedded.home import Home
from loomsite.embedded.services import known
from loomsite.management.door import DONE, OTHER, WAITING, DoorCommand, plain
from loomsite.management.following import WIDTH, Follower, Task, outcome_show, sources_show


class Command(DoorCommand):
    help = (
        "Submit a goal; with --wait, follow it to its end. Exit codes: 0 done, 1 any other end,"
        " 2 usage, 3 waiting for a person."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("goal", help="what is to be achieved, in plain words")
        parser.add_argument("--agent", metavar="SLUG", help="ask this agent alone")
        parser.add_argument("--wait", action="store_true", help="follow it to its end")
        parser.add_argument("--timeout", type=float, metavar="S", help="with --wait: give up after")
        parser.add_argument("--budget-usd", metavar="X", help="hard limit of what it may cost")
        parser.add_argument(
            "--workspace", metavar="SLUG", help="default: LOOM_API_KEY's, else default"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["timeout"] is not None and not 0 < options["timeout"] < float("inf"):
            self.refuse("--timeout must be a number of seconds above 0.")
        with self.told_to_a_person():
            goal_read(options["goal"])  # what can never be a task needs no stack to be refused
        if not os.environ.get("DATABASE_URL") and "DATABASE_URL" not in known(
            Home(root=settings.LOOM_HOME)
        ):
            self.fail("Nothing runs here. Start the stack with `make up`, then submit again.")
        with self.told_to_a_person():
            caller = _caller(options["workspace"])
            caller.require("tasks:write")
            task_id, _ = services.task_submit(
                workspace_id=caller.workspace_id,
                actor=caller.actor,
                door="cli",
                goal=options["goal"],
                agent=options["agent"],
                budget_usd=options["budget_usd"],
            )
            self.say(f"Task {task_id} submitted.")
            where = {"workspace_id": caller.workspace_id, "task_id": task_id}
            if not options["wait"]:
                task = selectors.task_detail(**where)
                self.emit(task) if options["json"] else self.stdout.write(task["id"])
                return
            told = Console(file=sys.stderr, highlight=False, width=_width(sys.stderr))
            task = Follower(told, **where).follow(timeout_s=options["timeout"])
            outcome_show(told, caller.workspace_id, task)
            if options["json"]:
                self.emit(task)
            elif task["answer"]:
                self._answer(task, caller.workspace_id)
        self._leave(task)

    def _answer(self, task: Task, workspace_id: str) -> None:
        """Print the answer as it is, and below it the passages it cites."""
        self.stdout.write(plain(task["answer"]))
        if task["citations"]:
            self.stdout.write("")
            shown = Console(file=sys.stdout, highlight=False, width=_width(sys.stdout))
            sources_show(shown, workspace_id, task)

    def _leave(self, task: Task) -> None:
        match task["status"]:
            case Status.SUCCEEDED:
                raise SystemExit(DONE)
            case Status.INPUT_REQUIRED:
                question = (task["request"] or {}).get("question", "")
                self.say(f"It waits for a person: {question}")
                raise SystemExit(WAITING)
            case Status.FAILED | Status.CANCELLED as status:
                reason = (task["error"] or {}).get("message") or task["outcome"]
                self.say(f"It {status}: {reason}")
            case _:
                self.say("It goes on without you; look again in the admin or over the API.")
        raise SystemExit(OTHER)


def _caller(slug: str | None) -> Principal:
    if settings.LOOM_API_KEY and slug is None:
        principal = apikey_authenticate(settings.LOOM_API_KEY)
        if principal is None:
            raise NotAuthenticated("LOOM_API_KEY opens nothing: it is wrong, expired or revoked.")
        return principal
    return access.principal_of_workspace(slug=slug or access.DEFAULT_WORKSPACE, actor="cli")


def _width(stream: TextIO) -> int | None:
    return None if stream.isatty() else WIDTH
