"""Subscriptions, parents and handlers that fail."""

import asyncio

import pytest

from agents.core.events import Done, EventBus, TextDelta, ToolCallStart
from agents.core.types import Usage
from agents.testing import START

BASE = {"run_id": "r", "agent": "a", "workspace": "w", "seq": 0, "at": START}
TEXT = TextDelta(**BASE, text="x")
CALL = ToolCallStart(**BASE, call_id="c", tool="t")
DONE = Done(**BASE, text="x", stop="answered", usage=Usage())


@pytest.mark.parametrize(
    ("pattern", "heard"),
    [
        ("text_delta", [TEXT]),
        (TextDelta, [TEXT]),
        ("tool_call.*", [CALL]),
        ("tool_call*", [CALL]),
        ("tool_call.start", [CALL]),
        ("*", [TEXT, CALL, DONE]),
        ("tool.call.end", []),
    ],
)
def test_a_pattern_hears_what_it_names(pattern, heard):
    bus, told = EventBus(), []
    end = bus.subscribe(pattern, told.append)

    for event in (TEXT, CALL, DONE):
        bus.publish(event)
    end()
    bus.publish(TEXT)

    assert told == heard


def test_a_child_s_events_reach_the_parent_and_not_the_other_way():
    parent, heard, heard_below = EventBus(), [], []
    child = parent.child()
    parent.subscribe("*", heard.append)
    child.subscribe("done", heard_below.append)

    child.publish(TEXT)
    parent.publish(DONE)

    assert (heard, heard_below) == ([TEXT, DONE], [])
    assert child.wants("text_delta")
    assert not EventBus().wants("text_delta")


def test_a_handler_that_fails_disturbs_nobody():
    bus, told = EventBus(), []

    def broken(_event):
        raise RuntimeError("boom")

    async def slow(event):
        await asyncio.sleep(0)
        told.append(event)
        raise RuntimeError("late boom")

    bus.subscribe("*", broken)
    bus.subscribe("*", slow)
    bus.subscribe("*", told.append)

    async def publish():
        bus.publish(TEXT)
        await bus.drain()

    asyncio.run(publish())

    assert told == [TEXT, TEXT]
    assert [str(error) for _, error in bus.failures] == ["boom", "late boom"]


def test_an_empty_pattern_is_refused():
    with pytest.raises(ValueError, match="pattern is empty"):
        EventBus().subscribe(" ", print)
