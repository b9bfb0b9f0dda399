"""Following a task: until it ends, or as a stream."""

import asyncio
import json

import pytest

from cluster import live, streams
from cluster.core.errors import TaskUnknown
from cluster.selectors.tasks import task_events
from cluster.services.tasks import task_cancel, task_submit
from loomsite.access.bridge import db
from tests.factories.access import make_tenant
from tests.requirements import requirement

pytestmark = pytest.mark.django_db(transaction=True)
NOBODY = "00000000-0000-4000-8000-000000000000"


def submit(tenant):
    task_id, _ = task_submit(
        workspace_id=tenant.workspace_id, actor="test", door="test", goal="Name the moons of Mars."
    )
    return {"workspace_id": tenant.workspace_id, "task_id": task_id}


async def prepared():
    return await db(submit, await db(make_tenant))


def frames(body):
    found = []
    for block in body.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "event" in fields:
            found.append((fields.get("id"), fields["event"], json.loads(fields["data"])))
    return found


async def test_a_wait_ends_when_the_task_does():
    where = await prepared()
    told = []

    async def cancel(task, _):
        told.append(task["status"])
        if len(told) == 1:
            await db(task_cancel, **where, actor="test")

    async with asyncio.timeout(4):  # less than a lost hint would cost
        task = await streams.task_wait(**where, wait_s=25, on_change=cancel)

    assert (task["status"], told) == ("cancelled", ["queued"])


async def test_a_wait_that_is_over_returns_the_task_as_it_is():
    where = await prepared()

    task = await streams.task_wait(**where, wait_s=0)

    assert task["status"] == "queued"


async def test_a_wait_for_a_task_that_is_not_there_fails_at_once():
    where = await prepared()

    with pytest.raises(TaskUnknown):
        await streams.task_wait(**where | {"task_id": NOBODY}, wait_s=25)


async def test_a_caller_who_goes_away_leaves_the_task_alone():
    where = await prepared()
    waiting = asyncio.create_task(streams.task_wait(**where, wait_s=25))
    await asyncio.sleep(0)

    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    assert (await streams.task_wait(**where, wait_s=0))["status"] == "queued"


async def test_without_redis_a_wait_looks_into_the_database(settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    where = await prepared()

    async def cancel(task, _):
        await db(task_cancel, **where, actor="test")

    async with asyncio.timeout(10):
        task = await streams.task_wait(**where, wait_s=25, on_change=cancel)

    assert task["status"] == "cancelled"


async def test_a_stream_gives_what_happened_what_happens_and_ends_with_the_task():
    where = await prepared()
    body = b""

    async with asyncio.timeout(10):
        async for part in streams.task_stream(**where, after=0):
            body += part
            if b"task.created" in body and b"cancel_requested" not in body:
                await db(task_cancel, **where, actor="test")

    events = await db(task_events, **where)
    assert frames(body) == [(str(event["seq"]), event["type"], event) for event in events]


@requirement("http.events")
async def test_a_stream_resumes_behind_the_last_event_the_client_saw():
    where = await prepared()
    await db(task_cancel, **where, actor="test")

    body = b"".join([part async for part in streams.task_stream(**where, after=1)])

    events = await db(task_events, **where)
    assert [event[2] for event in frames(body)] == events[1:]


async def test_a_late_client_gets_the_text_so_far_as_one_snapshot_and_then_pieces():
    where = await prepared()
    writer = live.DeltaWriter(where["task_id"], pause_s=0)
    body = b""

    async with asyncio.timeout(10):
        for step, text in [(0, "old"), (1, "Pho"), (1, "bos")]:
            writer.add("text_delta", step, text)
            await writer.close()
        async for part in streams.task_stream(**where, after=0):
            body += part
            if b"text_snapshot" in body and b" and" not in body:
                writer.add("text_delta", 1, " and Deimos")
                await writer.close()
            if b" and" in body:
                break

    texts = [(id_, kind, event["text"]) for id_, kind, event in frames(body) if "text" in event]
    assert texts == [(None, "text_snapshot", "Phobos"), (None, "text_delta", " and Deimos")]
