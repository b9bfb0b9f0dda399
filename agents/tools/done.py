"""The tool by which a model says that it is done, for models that only ever call tools."""

from agents.tools.registry import FunctionTool, define_tool

NAME = "done"


def done_tool() -> FunctionTool:
    """Return the tool; its argument is the run's answer."""

    async def done(answer: str) -> str:
        return answer

    return define_tool(done, name=NAME, description="Give the final answer and end.", ends_run=True)
