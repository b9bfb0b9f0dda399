"""Run a real job through all six phases, live."""

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape

from agents.wiring import model_describe
from cluster.core.types import Status
from cluster.services.births import blueprint_add
from cluster.services.population import population_ready
from cluster.services.tasks import task_submit
from knowledge import wiring as knowledge
from loomsite.access.services import workspace_ensure
from loomsite.embedded import attach
from loomsite.embedded.home import Home
from loomsite.management import showcase
from loomsite.management.door import DONE, OTHER, WAITING, DoorCommand, plain
from loomsite.management.following import WIDTH, Follower, outcome_show, shown, sources_show

TIMEOUT_S = 600.0


class Command(DoorCommand):
    help = "Start what is missing, seed a small cluster, and follow a real multi-part job live."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--goal", help="another goal than the shipped one")
        parser.add_argument("--timeout", type=float, default=TIMEOUT_S, metavar="S")
        parser.add_argument("--json", action="store_true", help="print the task as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        out = sys.stderr if options["json"] else sys.stdout
        console = Console(file=out, highlight=False, width=None if out.isatty() else WIDTH)
        home = Home(root=settings.LOOM_HOME)
        with self.told_to_a_person(), attach.stack(home, os.environ) as stack:
            workspace_id = _seed(console)
            task_id, _ = task_submit(
                workspace_id=workspace_id,
                actor="demo",
                door="cli",
                goal=options["goal"] or showcase.GOAL,
                checks=showcase.CHECKS,
                collections=[showcase.COLLECTION],
            )
            console.print(
                f"\nThe goal (task {task_id}):\n{escape(options['goal'] or showcase.GOAL)}"
            )
            follower = Follower(console, workspace_id=workspace_id, task_id=task_id)
            task = follower.follow(timeout_s=options["timeout"])
            _conclude(console, workspace_id, task)
            admin = f"{stack.url.rstrip('/')}/admin/cluster/task/{task_id}/change/"
            console.print(f"\nIn the admin, while the stack is up: {admin}")
            console.print("Go on with: make up    (the same data)")
        if options["json"]:
            self.emit(task)
        raise SystemExit(_exit_code(task))


def _seed(console: Console) -> str:
    """Make the demo's workspace, agents and documents; what is there already stays."""
    workspace_id = workspace_ensure(slug=showcase.WORKSPACE, name="Demo")
    console.print(escape(model_describe(workspace_id)["sentence"]))
    population_ready(workspace_id=workspace_id)
    for slug, spec in showcase.BLUEPRINTS.items():
        blueprint_add(workspace_id=workspace_id, slug=slug, spec=spec, reason="seeded by the demo")
    knowledge.collection_ensure(
        workspace_id=workspace_id, slug=showcase.COLLECTION, name="Loom's documentation"
    )
    results = knowledge.ingest(
        workspace_id=workspace_id,
        collection=showcase.COLLECTION,
        documents=showcase.documents(settings.BASE_DIR),
    )
    failed = [result for result in results if result.status == "failed"]
    console.print(
        f"Seeded: {len(showcase.BLUEPRINTS)} specialists and {len(results) - len(failed)} documents"
        f" in workspace {showcase.WORKSPACE!r}."
    )
    return workspace_id


def _conclude(console: Console, workspace_id: str, task: dict[str, Any]) -> None:
    """Print the answer with its sources, the tree, and what it took."""
    console.rule("result")
    if task["answer"]:
        console.print(Markdown(plain(task["answer"])))
    if task["error"]:
        console.print(f"[red]{shown(task['error']['message'])}[/red]")
    sources_show(console, workspace_id, task)
    console.rule("what it took")
    outcome_show(console, workspace_id, task)


def _exit_code(task: dict[str, Any]) -> int:
    if task["status"] == Status.SUCCEEDED:
        return DONE
    return WAITING if task["status"] == Status.INPUT_REQUIRED else OTHER
