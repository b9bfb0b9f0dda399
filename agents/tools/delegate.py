"""The tool by which an agent hands a part of its work on, as a child task."""

from typing import Annotated

from pydantic import Field

from agents.core.errors import RunSuspended
from agents.core.ports import ToolContext
from agents.core.types import Suspension
from agents.tools.registry import FunctionTool, define_tool

NAME = "delegate"


def delegate_tool() -> FunctionTool:
    """Return the tool; the run waits for the child, whose answer becomes the call's result.

    The call is idempotent: asked again under its key, it waits for the same child.
    """

    async def delegate(
        context: ToolContext,
        goal: Annotated[str, Field(min_length=1, max_length=20_000)],
        agent: str | None = None,
    ) -> str:
        child = {"key": context.key, "goal": goal, "agent": agent or ""}
        raise RunSuspended(
            "The run waits for a part that it handed on.",
            suspension=Suspension(
                kind="children",
                key=context.key,
                question=goal,
                detail={**child, "children": [child]},
            ),
        )

    return define_tool(
        delegate,
        name=NAME,
        description="Hand a self-contained part of the work to another agent; returns its answer.",
        tags=("spend",),
        effect=True,
        idempotent=True,
    )
