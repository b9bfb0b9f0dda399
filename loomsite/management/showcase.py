"""The small cluster and the goal that `demo` works with."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from knowledge.core.types import DocumentInput

WORKSPACE: Final = "demo"
COLLECTION: Final = "loom-docs"
GOAL: Final = """\
Write a briefing for somebody who will operate Loom, from its documentation.
1. What happens to a task when the worker that runs it is killed?
2. How does an auction decide which agent gets a task?
3. How is an answer scored, and when does an agent learn from the score?
4. Which three points of the findings above matter most to an operator?
"""
CHECKS: Final[list[dict[str, Any]]] = [
    {"kind": "cites_sources", "required": True},
    {"kind": "min_length", "value": 200},
]
BLUEPRINTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "researcher": {
        "name": "Researcher",
        "description": "Finds out what documents say and answers with citations.",
        "instructions": (
            "Answer from the documents that your search finds, never from memory. Search before you"
            " answer, more than once when the first hits are thin. Cite the passages you used."
        ),
        "tools": ["search_knowledge"],
        "domains": ["research"],
    },
    "operator": {
        "name": "Operator",
        "description": "Knows how systems are run, how they fail and how they are repaired.",
        "instructions": (
            "You run systems. Say what happens, what it means and what to do, in that order. Look"
            " it up in the documents and cite them."
        ),
        "tools": ["search_knowledge"],
        "domains": ["operations"],
    },
    "analyst": {
        "name": "Analyst",
        "description": "Calculates, compares and explains how decisions come about.",
        "instructions": (
            "Explain mechanisms step by step with their numbers. Look them up in the documents,"
            " cite them, and calculate with the calculator instead of in your head."
        ),
        "tools": ["search_knowledge", "calculator"],
        "domains": ["analysis", "planning"],
    },
    "writer": {
        "name": "Writer",
        "description": "Turns findings into short, clear texts.",
        "instructions": (
            "Write plainly and briefly. Keep to what the material says and keep its citations."
        ),
        "tools": ["search_knowledge"],
        "domains": ["writing"],
    },
}


def documents(root: Path) -> Iterator[DocumentInput]:
    """Give the project's own documentation, each page under its path."""
    pages = [root / "README.md", *sorted((root / "docs").rglob("*.md"))]
    for page in pages:
        if page.is_file():
            text = page.read_text(encoding="utf-8")
            name = page.relative_to(root).as_posix()
            title = next((line[2:] for line in text.splitlines() if line.startswith("# ")), name)
            yield DocumentInput(external_id=name, title=title, text=text, file_name=page.name)
