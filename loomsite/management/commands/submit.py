"""Submit a goal to the running cluster."""

import asyncio
import os
from argparse import ArgumentParser
from typing import Any

from django.conf import settings

from cluster import streams
from cluster.core.submission import goal_read
from cluster.core.types import FINAL, Status
from cluster.selectors import tasks as selectors
from cluster.services import tasks as services
from loomsite.access import selectors as access
from loomsite.access.core.errors import NotAuthenticated
from loomsite.access.core.types import Principal
from loomsite.access.services import apikey_authenticate
from loomsite.embedded.home import Home
from loomsite.embedded.services import known
from loomsite.management.door import DONE, OTHER, WAITING, DoorCommand

PATIENCE_S = 60.0
Task = dict[str, Any]


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
            if options["wait"]:
                task = asyncio.run(self._followed(where, options["timeout"]))
            else:
                task = selectors.task_detail(**where)
        self._show(task, options)

    async def _followed(self, where: dict[str, str], timeout_s: float | None) -> Task:
        told = ""

        async def tell(task: Task, _: int) -> None:
            nonlocal told
            line = _progress(task)
            if line != told:
                told = line
                self.say(line)

        until = None if timeout_s is None else asyncio.get_running_loop().time() + timeout_s
        while True:
            left_s = PATIENCE_S
            if until is not None:
                left_s = min(left_s, max(0.0, until - asyncio.get_running_loop().time()))
            task = await streams.task_wait(**where, wait_s=left_s, on_change=tell)
            if task["status"] in {*FINAL, Status.INPUT_REQUIRED} or left_s < PATIENCE_S:
                return task

    def _show(self, task: Task, options: dict[str, Any]) -> None:
        if options["json"]:
            self.emit(task)
        elif not options["wait"]:
            self.stdout.write(task["id"])
        elif task["answer"]:
            self.stdout.write(task["answer"])
        if options["wait"]:
            self._leave(task)

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


def _progress(task: Task) -> str:
    progress, phase = task["progress"], task["phase"]
    if phase is None:  # behind the last phase it is still running for a moment
        phase = "ending" if task["status"] == Status.RUNNING else task["status"]
    parts = f" {progress['done']}/{progress['total']}" if progress["total"] else ""
    return f"{phase.upper()}{parts} {progress['message']}".strip()
