"""Ways of working with the cluster that a person can pick in their assistant."""

from typing import Annotated

from mcp.server import MCPServer
from pydantic import Field


def register(server: MCPServer) -> None:
    """Add the prompts to `server`."""

    @server.prompt(title="Delegate a goal")
    def delegate(
        goal: Annotated[str, Field(description="What is to be achieved.")],
        agent: Annotated[str, Field(description="Slug of an agent; empty: the best one.")] = "",
    ) -> str:
        """Hand a goal to the cluster and come back with its answer."""
        to = f", giving it to the agent {agent!r}," if agent else ""
        return (
            f"Hand this goal to Loom with submit_task{to} and follow it with get_task"
            " (wait_s=25) until it has ended. If it asks something (status input_required), ask me"
            " and pass my answer on with reply_task. Then give me the answer with its citations,"
            f" and say so plainly if it failed.\n\nThe goal:\n{goal}"
        )

    @server.prompt(title="Research a question")
    def research(
        question: Annotated[str, Field(description="What you want to know.")],
        collection: Annotated[str, Field(description="Slug of a collection; empty: all.")] = "",
    ) -> str:
        """Answer a question from the workspace's documents, with citations."""
        where = f" in the collection {collection!r}" if collection else ""
        return (
            f"Find out what the workspace's documents say{where}: call search_knowledge with two or"
            " three wordings of the question. If the passages answer it, answer from them alone and"
            " cite each by title and document id. If they do not, or it takes several steps, submit"
            ' it with submit_task and checks=[{"kind": "cites_sources"}], follow it with get_task,'
            f" and say what stays open.\n\nThe question:\n{question}"
        )

    @server.prompt(title="Review a task")
    def review_task(task_id: Annotated[str, Field(description="Which task.")]) -> str:
        """Look at what a task did, and judge its answer."""
        return (
            f"Review the task {task_id}: read it with get_task (detail=true) and, if the answer was"
            f" cut, the resource task://{task_id}/result. Check each claim against its citations"
            " (knowledge://<document_id>), say what is right, wrong, or not shown, and whether the"
            " cost was reasonable. Propose a score from 0 to 1 with a sentence of comment; call"
            " give_feedback only when I agree."
        )

    @server.prompt(title="Triage failures")
    def triage_failures(
        limit: Annotated[str, Field(description="How many of the latest; default 20.")] = "20",
    ) -> str:
        """Find out why tasks failed, and what to do about it."""
        return (
            f"List the latest {limit} failed tasks with list_tasks (status='failed'). Read each"
            " with get_task (detail=true) and group them by cause: the goal, the agent, a tool,"
            " the model endpoint, a limit of money or time. For each group give the task ids, the"
            " error in plain words, and the one change most likely to help. Change nothing"
            " yourself."
        )
