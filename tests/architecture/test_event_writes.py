"""An event is appended only where its task is saved: else it would be lost, and its number with it.

`task_save` writes what `event_append` has kept on the locked task, in one statement. What appends
and leaves the saving to another function is named here, with which; a transaction that ends with
an event unwritten is an error besides.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
SAVED_BY_ANOTHER = {
    "happenings_write": "fence, step_record and mishap_record",
    "phase_begin": "_advance, _next_cycle, claims and re-auctions",
    "phase_record": "_advance, which follows it",
    "forged_keep": "the step Forged",
    "goal_seen": "_advance, which follows it where SENSE is recorded",
    "task_cancel": "_stop_or_flag, with which its transaction ends",
    "_want": "the auction's end: phase, pause, or the word that a model is asked",
}


def appending_without_saving() -> set[str]:
    """Return the functions that call `event_append` and not `task_save`."""
    found: set[str] = set()
    for path in sorted((ROOT / "cluster").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                called = {
                    call.func.id
                    for call in ast.walk(node)
                    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
                }
                if "event_append" in called and "task_save" not in called:
                    found.add(node.name)
    return found


def test_whoever_appends_an_event_saves_its_task() -> None:
    assert appending_without_saving() == set(SAVED_BY_ANOTHER)
