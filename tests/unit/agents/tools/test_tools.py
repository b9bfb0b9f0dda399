"""Tools from functions, the built-in ones, and who may call what."""

import asyncio
import json
import threading
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from agents.core.errors import ToolFailed, ToolRetry
from agents.core.ports import Passage, ToolContext
from agents.core.types import ToolCall, ToolSpec
from agents.providers.wire import tools_wire
from agents.testing import FakeKnowledge, ListMemory, passages_from
from agents.tools.calculator import calculate
from agents.tools.files import file_tools
from agents.tools.http_fetch import http_fetch_tool
from agents.tools.policy import Scene, decide
from agents.tools.registry import ToolRegistry, define_tool
from agents.tools.remember import recall_tool, remember_tool
from agents.tools.search_knowledge import search_knowledge_tool
from tests.requirements import requirement

CONTEXT = ToolContext(run_id="r", task_id="t", workspace="w", agent="a", step=0, key="r:0:0")


async def called(tool, **arguments):
    return (await tool.call(tool.parse(json.dumps(arguments)), CONTEXT)).text


def test_the_schema_of_a_tool_has_no_noise():
    def add(a: int, b: int) -> int:
        return a + b

    tool = define_tool(add, description="Add two integers and return the sum.")

    wired = json.dumps([tools_wire([tool.spec]), None], separators=(",", ":"))
    assert len(wired) <= 220 + 2  # the harness counts the list without our brackets


def test_a_schema_tells_types_defaults_and_descriptions():
    def find(
        what: Annotated[str, Field(max_length=9)],
        kind: Literal["a", "b"] = "a",
        limit: int | None = None,
        *,
        deep: bool = False,
    ) -> str:
        """Find things.

        Even lost ones.

        Args:
            what: The name of it.
            kind (str): Which sort.
        """
        return f"{what}{kind}{limit}{deep}"

    spec = define_tool(find).spec

    assert (spec.name, spec.description) == ("find", "Find things.")
    assert spec.parameters == {
        "type": "object",
        "properties": {
            "what": {"maxLength": 9, "type": "string", "description": "The name of it."},
            "kind": {
                "default": "a",
                "enum": ["a", "b"],
                "type": "string",
                "description": "Which sort.",
            },
            "limit": {"type": "integer"},
            "deep": {"default": False, "type": "boolean"},
        },
        "required": ["what"],
    }


async def _whole_model():
    class Order(BaseModel):
        title: str
        count: int = 1

    @define_tool
    def order(wanted: Order, ctx: ToolContext) -> dict:
        return {"title": wanted.title, "count": wanted.count, "run": ctx.run_id}

    assert set(order.spec.parameters["properties"]) == {"title", "count"}
    return await called(order, title="x")


def test_a_function_of_one_model_takes_the_model_and_keeps_properties_called_title():
    assert json.loads(asyncio.run(_whole_model())) == {"title": "x", "count": 1, "run": "r"}


def test_what_cannot_be_a_tool_is_refused_at_once():
    with pytest.raises(TypeError, match="annotate b"):
        _ = define_tool(lambda ctx, b: b, name="f").spec

    def many(*args: int) -> int:
        return len(args)

    with pytest.raises(TypeError, match="name them"):
        _ = define_tool(many).spec
    registry = ToolRegistry([calculate])
    with pytest.raises(ValueError, match="already a tool called 'calculate'"):
        registry.register(calculate)
    assert ([t.spec.name for t in registry], len(registry), "calculate" in registry) == (
        ["calculate"],
        1,
        True,
    )


@pytest.mark.asyncio
async def test_plain_functions_run_on_a_thread_and_may_even_exit():
    @define_tool
    def where() -> str:
        return threading.current_thread().name

    @define_tool
    def leave() -> str:
        raise SystemExit(3)

    @define_tool
    def stop() -> str:
        raise StopIteration

    @define_tool
    async def leave_async() -> str:
        raise SystemExit(3)

    assert await called(where) == "tool"
    for tool in (leave, leave_async, stop):
        with pytest.raises(ToolFailed):
            await called(tool)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("result", "text"),
    [
        (None, "Done."),
        (b"\xff", "\ufffd"),
        ({"a": [1, {2}]}, '{"a": [1, "{2}"]}'),
        ({(1, 2): 3}, "{(1, 2): 3}"),
        ("as it is", "as it is"),
        (3.5, "3.5"),
    ],
)
async def test_any_result_becomes_text(result, text):
    @define_tool
    async def give() -> object:
        return result

    assert await called(give) == text


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3", 7),
        ("-2 ** 2", -4),
        ("2^10", 1024),
        ("sqrt(16) // 3", 1.0),
        ("round(pi, 2)", 3.14),
    ],
)
def test_the_calculator_knows_arithmetic(expression, value):
    assert calculate(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        "9**9**9",
        "2**-99999",
        "__import__('os')",
        "(1).real",
        "[1]*9",
        "'a'*9",
        "1/0",
        "(-8)**0.5",
        "1" + "+1" * 5000,
        "(" * 300 + "1" + ")" * 300,
        "10**4000 * 10**4000",
        "max()",
        "abs(x=1)",
        "lambda: 1",
        "1 if 1 else 2",
        "\x00",
        "",
        "9" * 3000,
        "sqrt(True)",
        "exp(1000)",
    ],
)
def test_the_calculator_refuses_everything_else_quickly(expression):
    with pytest.raises(ToolRetry):
        calculate(expression)


@pytest.mark.asyncio
async def test_files_are_read_listed_and_written_inside_the_root_only(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret").write_text("x")
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "binary").write_bytes(b"\x00\x01")
    read, listed, write = file_tools(root, writable=True)

    assert await called(write, path="a/b.txt", text="hello") == "Wrote 5 characters to a/b.txt."
    assert await called(read, path="a/b.txt") == "hello"
    assert await called(listed) == "a/\nbinary\nlink"
    for path in ("../secret", "/etc/passwd", "link", "a/../../secret", "nul\x00"):
        with pytest.raises(ToolRetry):
            await called(read, path=path)
        with pytest.raises(ToolRetry):
            await called(write, path=path, text="x")
    for path in ("missing", "a", "binary"):
        with pytest.raises(ToolFailed):
            await called(read, path=path)
    assert len(file_tools(root)) == 2
    assert (tmp_path / "secret").read_text() == "x"


@pytest.mark.asyncio
@requirement("reach.egress")
async def test_pages_are_fetched_from_listed_hosts_and_public_addresses_only():
    asked = []

    async def resolve(host, port):
        asked.append((host, port))
        return {"inside.example.org": ["10.0.0.7"], "gone.example.org": []}.get(
            host, ["93.184.216.34", "127.0.0.1"]
        )

    tool = http_fetch_tool(["*.example.org"], resolve=resolve)

    for url, why in (
        ("https://other.org/", "not on the list"),
        ("https://example.org/", "not on the list"),
        ("file:///etc/passwd", "must begin with"),
        ("https://user:pw@a.example.org/", "user or password"),
        ("nonsense", "must begin with"),
    ):
        with pytest.raises(ToolRetry, match=why):
            await called(tool, url=url)
    assert asked == []
    for url, why in (
        ("http://inside.example.org/", "private or reserved"),
        ("http://mixed.example.org/", "private or reserved"),
        ("http://gone.example.org/", "There is no host"),
    ):
        with pytest.raises(ToolFailed, match=why):
            await called(tool, url=url)


@pytest.mark.asyncio
async def test_search_results_are_numbered_by_the_run_and_bounded():
    passages = [
        *passages_from("looms weave"),
        *(
            Passage(
                document_id="d",
                chunk_id=f"c{n}",
                title="t",
                text="looms " + "x" * 7_000,
                start=0,
                end=7_006,
                score=1,
            )
            for n in range(3)
        ),
    ]
    tool = search_knowledge_tool(FakeKnowledge(passages))
    numbers = iter(range(1, 10))
    context = ToolContext(
        run_id="r", task_id="t", workspace="w", agent="a", step=0, key="k",
        cite=lambda _: next(numbers),
    )  # fmt: skip

    output = await tool.call(tool.parse('{"query": "looms"}'), context)

    found = json.loads(output.text)["passages"]
    assert [p["ref"] for p in found] == [1]
    with pytest.raises(ToolRetry):
        tool.parse('{"query": "", "limit": 500}')


@pytest.mark.asyncio
async def test_what_is_remembered_is_recalled_and_kept_once_per_call():
    store = ListMemory()
    remember, recall = remember_tool(store), recall_tool(store)

    await called(remember, text="Linen is strong.")
    await called(remember, text="Linen is strong.")

    assert await called(recall, query="linen") == "- Linen is strong. (fact, 2026-01-01)"
    assert await called(recall, query="wool") == "Nothing is remembered about that."


def spec(name="tool", *tags):
    return ToolSpec(name=name, description="", parameters={}, tags=frozenset(tags))


@pytest.mark.parametrize(
    ("tool", "scenes", "verdict"),
    [
        (spec("t", "write"), [], "allow"),
        (spec("t", "write"), [Scene(name="s", deny_tags=frozenset({"write"}))], "deny"),
        (spec("t", "read"), [Scene(name="s", deny_tags=frozenset({"write"}))], "allow"),
        (spec("t", "read", "network"), [Scene(name="s", allow_tags=frozenset({"read"}))], "deny"),
        (spec("t", "spend"), [Scene(name="s", ask_tags=frozenset({"spend"}))], "ask"),
        (
            spec("t", "spend"),
            [
                Scene(name="a", ask_tags=frozenset({"spend"})),
                Scene(name="b", deny_tools=frozenset({"t"})),
            ],
            "deny",
        ),
        (
            spec("t", "spend"),
            [Scene(name="a", ask_tags=frozenset({"spend"})), Scene(name="b")],
            "ask",
        ),
        (spec("t"), [Scene(name="s", allow_tools=frozenset({"other"}))], "deny"),
        (None, [], "deny"),
    ],
)
def test_scenes_only_narrow(tool, scenes, verdict):
    call = ToolCall(id="c", name="t", arguments="{}")

    assert decide(call, tool, scenes)[0] == verdict
    assert decide(call, tool, list(reversed(scenes)))[0] == verdict


def test_a_scene_with_an_unknown_tag_is_refused():
    with pytest.raises(ValueError, match="no tag fly"):
        Scene(name="s", deny_tags=frozenset({"fly"}))
