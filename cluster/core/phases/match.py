"""MATCH: who does it."""

from cluster.core.steps import Finish, HoldAuction
from cluster.core.types import Outcome, Sensed, Status, TaskView


def step(view: TaskView, sensed: Sensed) -> HoldAuction:
    """Return the auction to hold; the node that failed in the cycle before is left out."""
    rejected = view.rejection.node_id if view.rejection else None
    reads = ("search_knowledge",) if view.task.collections else ()
    return HoldAuction(
        weights=sensed.weights,
        complexity=sensed.complexity,
        tools=tuple(sorted({*sensed.tools, *view.task.tools, *reads})),
        agent=view.task.agent,
        without=(rejected,) if rejected else (),
    )


def nobody(reason: str) -> Finish:
    """Return the end of a task that nobody can take."""
    return Finish(
        status=Status.FAILED,
        outcome=Outcome.FAILED,
        error_code="cluster.no_capable_agent",
        error_message=f"No agent can take this task: {reason}",
    )
