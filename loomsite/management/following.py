"""A task and its parts, told as they happen."""

import math
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from cluster.core.types import FINAL, Status
from cluster.selectors import tasks as selectors
from knowledge.selectors import document_titles
from loomsite.management.door import plain

LOOK_EACH_S = 0.25
BIDS_SHOWN = 8
QUOTE_CHARS = 160
WIDTH = 140  # where the output is no terminal
Task = dict[str, Any]
_LONG = frozenset({"sense", "execute", "evaluate"})
_TELLING = frozenset(
    {"phase.started", "phase.ended", "tool_call.ended", "task.finished", "task.taken_over"}
)


class Follower:
    """Prints what happens to a task tree until its root ends or waits for a person."""

    def __init__(self, console: Console, *, workspace_id: str, task_id: str) -> None:
        self._console = console
        self._where = {"workspace_id": workspace_id, "task_id": task_id}
        self._workspace_id = workspace_id
        self._seen: dict[str, int] = {}
        self._names: dict[str, str] = {task_id: "task"}

    def follow(self, *, timeout_s: float | None) -> Task:
        """Return the task as it is when it has ended, waits for a person, or time is up."""
        until = math.inf if timeout_s is None else time.monotonic() + timeout_s
        while True:
            task = selectors.task_detail(**self._where)
            self._tell_all()
            if task["status"] in {*FINAL, Status.INPUT_REQUIRED} or time.monotonic() > until:
                return task
            time.sleep(LOOK_EACH_S)

    def _tell_all(self) -> None:
        """Tell what is new in the whole tree, in the order in which it happened."""
        news: list[tuple[str, str, Task]] = []

        def visit(node: Task) -> None:
            self._names.setdefault(node["id"], node["key"])
            for event in selectors.task_events(
                workspace_id=self._workspace_id,
                task_id=node["id"],
                after=self._seen.get(node["id"], 0),
            ):
                self._seen[node["id"]] = event["seq"]
                news.append((event["at"], node["id"], event))
            for child in node["children"]:
                visit(child)

        visit(selectors.task_tree(**self._where))
        for _, task_id, event in sorted(news, key=lambda new: (new[0], new[2]["seq"])):
            if event["type"] in _TELLING:
                self._say(task_id, event)

    def _say(self, task_id: str, event: Task) -> None:
        data = event["data"]
        name = f"[cyan]{shown(self._names[task_id]):<8}[/cyan]"
        match event["type"]:
            case "phase.started":
                if data["phase"] in _LONG:
                    self._console.print(f"{name} {data['phase'].upper()} …", style="dim")
            case "phase.ended":
                said = _CONCLUDED[data["phase"]](data["summary"])
                self._console.print(
                    f"{name} [bold green]{data['phase'].upper()}[/bold green] {said}"
                )
                if data["phase"] == "match":
                    self._show_auction(task_id)
            case "tool_call.ended":
                ok = "" if data["ok"] else " [red]failed[/red]"
                self._console.print(f"{name}   {shown(data['tool'])}{ok}", style="dim")
            case "task.taken_over":
                self._console.print(f"{name} [yellow]taken over[/yellow] from a worker that died")
            case _:
                score = data.get("score")
                scored = "" if score is None else f", score {score:.2f}"
                self._console.print(f"{name} [bold]{shown(str(data['outcome']))}[/bold]{scored}")

    def _show_auction(self, task_id: str) -> None:
        auctions = selectors.task_auction(workspace_id=self._workspace_id, task_id=task_id)
        if auctions:
            self._console.print(auction_table(auctions[-1]))


def auction_table(auction: Task) -> Table:
    """Return an auction's bids with every term, the winner first."""
    table = Table(box=None, padding=(0, 2), pad_edge=False, header_style="dim")
    for heading in (
        "",
        "agent",
        "bid",
        "quality",
        "cost",
        "wait",
        "load",
        "mean M",
        "variance V",
        "ξ",
    ):
        table.add_column(heading, justify="left" if heading in {"", "agent"} else "right")
    for bid in auction["bids"][:BIDS_SHOWN]:
        won = bid["agent"] == auction["winner"]
        table.add_row(
            "        ★" if won else "",
            shown(bid["agent"]),
            f"{bid['bid']:.3f}",
            f"{bid['quality']:.3f}",
            f"-{bid['cost_term']:.3f}",
            f"-{bid['wait_term']:.3f}",
            f"-{bid['load_term']:.3f}",
            f"{bid['mean']:+.2f}",
            f"{bid['variance']:.2f}",
            f"{bid['xi']:+.2f}",
            style="bold" if won else "",
        )
    return table


def shown(text: str) -> str:
    """Return a text as a console shows it: no markup, no control characters."""
    return escape(plain(text))


def sources_show(console: Console, workspace_id: str, task: Task) -> None:
    """Print what the numbers in an answer point at."""
    titles = document_titles(
        workspace_id=workspace_id,
        document_ids={citation["document_id"] for citation in task["citations"]},
    )
    for number, citation in enumerate(task["citations"], start=1):
        quote = " ".join(citation["quote"].split())
        if len(quote) > QUOTE_CHARS:
            quote = quote[: QUOTE_CHARS - 1] + "…"
        title = titles.get(citation["document_id"], "a document that is gone")
        console.print(
            f"[dim]{number:>3} {shown(title)}, characters {citation['start']} to"
            f" {citation['end']}:[/dim] {shown(quote)}"
        )


def outcome_show(console: Console, workspace_id: str, task: Task) -> None:
    """Print a task's tree, if it has parts, and what came of it for how much."""
    if task["children"]:
        console.print(_forest(selectors.task_tree(workspace_id=workspace_id, task_id=task["id"])))
    score = "not scored" if task["score"] is None else f"score {task['score']:.2f}"
    console.print(
        f"{task['status']}, {score}, {task['tokens']['total']} tokens, ${task['cost_usd']}"
    )


def _forest(tree: Task) -> Tree:
    top = Tree(_leaf(tree))

    def grow(branch: Tree, node: Task) -> None:
        for child in node["children"]:
            grow(branch.add(_leaf(child)), child)

    grow(top, tree)
    return top


def _leaf(node: Task) -> str:
    goal = " ".join(node["goal"].split())[:70]
    score = "" if node["score"] is None else f" score {node['score']:.2f}"
    return (
        f"[bold]{shown(node['key'] or 'task')}[/bold] {shown(goal)} "
        f"[dim]{node['status']}{score} ${node['cost_usd']}[/dim]"
    )


def _sensed(result: Task) -> str:
    kinds = ", ".join(f"{slug} {weight:.2f}" for slug, weight in result["weights"].items())
    why = (
        f" [dim](fallback: {shown(result['why'])})[/dim]" if result["source"] == "fallback" else ""
    )
    return f"complexity {result['complexity']:.2f}, {shown(kinds)}{why}"


def _scaled(result: Task) -> str:
    if not result["split"]:
        return f"alone: {shown(result['reason'])}"
    parts = ", ".join(
        part["key"] + (f" after {'+'.join(part['depends_on'])}" if part["depends_on"] else "")
        for part in result["parts"]
    )
    return f"split into {len(result['parts'])}: {shown(parts)}"


def _executed(result: Task) -> str:
    tokens = result["cost"]["prompt_tokens"] + result["cost"]["completion_tokens"]
    return (
        f"{result['stop']}, {result['step_count']} steps, {tokens} tokens,"
        f" {result.get('citations_count', 0)} citations"
    )


def _verdict(result: Task) -> str:
    score = "not scored" if result["score"] is None else f"score {result['score']:.2f}"
    judge = f", judge {result['judge']}" if result["judge"] else ""
    return f"{result['outcome']}, {score}{shown(judge)}"


_CONCLUDED: dict[str, Callable[[Task], str]] = {
    "sense": _sensed,
    "match": lambda result: shown(result["reason"]),
    "scale": _scaled,
    "execute": _executed,
    "evaluate": _verdict,
    "adapt": lambda result: shown(result["reason"]),
}
