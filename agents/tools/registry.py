"""Tools made from functions, and sets of them."""

import inspect
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, cast, overload

from agents.core.errors import ToolFailed
from agents.core.ports import Tool
from agents.core.ports import ToolContext as ToolContext
from agents.core.types import ToolOutput, ToolSpec
from agents.tools import schema
from agents.tools.threads import on_thread

if TYPE_CHECKING:
    from pydantic import BaseModel


class FunctionTool:
    """A tool that calls a function; its schema is derived when somebody asks for it."""

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str = "",
        description: str = "",
        parameters: "type[BaseModel] | None" = None,
        tags: Iterable[str] = ("read",),
        effect: bool = False,
        idempotent: bool = False,
        ends_run: bool = False,
        timeout_s: float = 60.0,
    ) -> None:
        self.function = function
        self.name = name or function.__name__
        self._description = description
        self._model = parameters
        self._tags = frozenset(tags)
        self._effect, self._idempotent, self._ends_run = effect, idempotent, ends_run
        self._timeout_s = timeout_s
        self._blocking = not inspect.iscoroutinefunction(function)

    @cached_property
    def _signature(self) -> schema.Signature:
        return schema.signature_of(self.function, self._model)

    @property
    def spec(self) -> ToolSpec:
        return self._spec

    @cached_property
    def _spec(self) -> ToolSpec:
        summary, arguments = schema.described(self.function)
        return ToolSpec(
            name=self.name,
            description=self._description or summary,
            parameters=schema.schema_of(self._signature.model, arguments),
            tags=self._tags,
            effect=self._effect,
            idempotent=self._idempotent,
            ends_run=self._ends_run,
            timeout_s=self._timeout_s,
        )

    def parse(self, arguments: str) -> "BaseModel":
        return schema.validated(self._signature.model, arguments)

    async def call(self, arguments: "BaseModel", context: ToolContext) -> ToolOutput:
        how = self._signature
        given: dict[str, Any] = {how.context: context} if how.context else {}
        if how.whole:
            given[how.whole] = arguments
        else:
            given |= {name: getattr(arguments, name) for name in type(arguments).model_fields}
        if self._blocking:
            result = await on_thread(partial(self.function, **given))
            if inspect.isawaitable(result):  # a plain function that returns a coroutine
                result = await result
        else:
            result = await _exit_held(self.function(**given))
        return output_of(result)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 -- the function's own business
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<tool {self.name}>"


@overload
def define_tool(function: Callable[..., Any], /) -> FunctionTool: ...


@overload
def define_tool(
    function: Callable[..., Any],
    /,
    *,
    name: str = "",
    description: str = "",
    parameters: "type[BaseModel] | None" = None,
    tags: Iterable[str] = ("read",),
    effect: bool = False,
    idempotent: bool = False,
    ends_run: bool = False,
    timeout_s: float = 60.0,
) -> FunctionTool: ...


@overload
def define_tool(
    *,
    name: str = "",
    description: str = "",
    parameters: "type[BaseModel] | None" = None,
    tags: Iterable[str] = ("read",),
    effect: bool = False,
    idempotent: bool = False,
    ends_run: bool = False,
    timeout_s: float = 60.0,
) -> Callable[[Callable[..., Any]], FunctionTool]: ...


def define_tool(
    function: Callable[..., Any] | None = None, /, **options: Any
) -> FunctionTool | Callable[[Callable[..., Any]], FunctionTool]:
    """Return a tool made of a typed function; also as a decorator, with or without options.

    A parameter annotated `ToolContext` (or called `ctx`) is given the run's context and is not part
    of the schema. A function of one Pydantic model takes the whole model. Plain functions run on a
    thread.

    Args:
        function: Its name, docstring and annotations make the schema.
        **options: `name`, `description` (default: the docstring's first paragraph), `parameters`
            (a Pydantic model instead of annotations), `tags` (of `read write network exec spend`),
            `effect` (it changes something outside the run), `idempotent`, `ends_run`, `timeout_s`.
    """
    if function is None:
        return partial(FunctionTool, **options)
    return FunctionTool(function, **options)


class ToolRegistry:
    """A set of tools with distinct names, in the order they came."""

    def __init__(self, tools: Iterable[Tool | Callable[..., Any]] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        for tool in tools:
            self.register(tool)

    def register(self, tool: Tool | Callable[..., Any]) -> Tool:
        """Add a tool, or a typed function as one; return it.

        Raises:
            ValueError: The name is taken.
        """
        made: Tool = tool if hasattr(tool, "spec") else define_tool(tool)  # type: ignore[assignment] -- has a spec, so it is a tool
        name = made.spec.name
        if name in self._tools:
            raise ValueError(f"There is already a tool called {name!r}.")
        self._tools[name] = made
        return made

    def get(self, name: str) -> Tool | None:
        return self._tools.get(name)

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def __len__(self) -> int:
        return len(self._tools)

    def __contains__(self, name: str) -> bool:
        return name in self._tools


def output_of(result: object) -> ToolOutput:
    """Return a result as the model reads it: text as it is, anything else as JSON."""
    if isinstance(result, ToolOutput):
        said = cast("object", result.text)  # a tool is foreign code
        return result if isinstance(said, str) else replace(output_of(said), ok=result.ok)
    if isinstance(result, str):
        return ToolOutput(text=result)
    if result is None:
        return ToolOutput(text="Done.")
    if isinstance(result, bytes):
        return ToolOutput(text=result.decode("utf-8", "replace"))
    return ToolOutput(text=_as_json(result))


def _as_json(result: object) -> str:
    dump = getattr(result, "model_dump_json", None)
    if dump is not None:
        return dump()
    try:
        return json.dumps(result, ensure_ascii=False, default=str)
    except (TypeError, ValueError):  # keys that are no strings, circles
        return str(result)


async def _exit_held(running: Awaitable[Any]) -> Any:  # noqa: ANN401 -- whatever the tool gives
    try:
        return await running
    except SystemExit as error:
        raise ToolFailed(f"The tool tried to end the process ({error}).") from error
