"""From conversations at rest to memory."""

from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.db.models import F

from agents import tasks, wiring
from agents.core.types import Message
from agents.models import MemoryEntry, Session
from agents.services.memories import memory_erase
from agents.store.sessions import DbSessions
from tests.factories.agents import make_agent, make_run, make_workspace, open_fence

pytestmark = pytest.mark.django_db(transaction=True)
REST = timedelta(hours=1)


def say(workspace_id, agent_id, *texts, key="s"):
    sessions = DbSessions(workspace_id=workspace_id, agent_id=agent_id, fence=open_fence)
    run_id = make_run(workspace_id).run_id
    messages = [
        message
        for text in texts
        for message in (
            Message(role="user", content=text),
            Message(role="assistant", content="I always remember nothing."),
        )
    ]
    async_to_sync(sessions.append)(key, run_id=run_id, messages=messages)


def rest():
    """Let an hour pass for every session and what was said in it."""
    for model in (Session, Session._meta.get_field("messages").related_model):
        for row in model.objects.all():
            for name in ("created_at", "updated_at", "consolidated_at"):
                if hasattr(row, name):
                    model.objects.filter(pk=row.pk).update(**{name: F(name) - REST})


def remembered(workspace_id):
    rows = MemoryEntry.objects.filter(workspace_id=workspace_id).order_by("text")
    return [(row.scope, row.scope_id, row.text) for row in rows]


def test_what_users_said_in_a_conversation_at_rest_is_remembered_once_in_its_own_scope():
    workspace_id = make_workspace()
    agent_id = make_agent(workspace_id)
    say(workspace_id, agent_id, "Remember that the loom is 12 feet wide.", "What is a weft?")
    rest()

    tasks.sessions_consolidate_job()
    tasks.sessions_consolidate_job()

    assert remembered(workspace_id) == [("session", "s", "Remember that the loom is 12 feet wide.")]
    assert wiring.sessions_consolidate() == 0


def test_a_conversation_that_is_going_on_is_left_alone():
    workspace_id = make_workspace()
    say(workspace_id, make_agent(workspace_id), "Remember that the loom is 12 feet wide.")

    tasks.sessions_consolidate_job()

    assert remembered(workspace_id) == []


def test_what_was_erased_does_not_come_back_with_the_next_turns():
    workspace_id = make_workspace()
    agent_id = make_agent(workspace_id)
    say(workspace_id, agent_id, "Remember that the loom is 12 feet wide.")
    rest()
    tasks.sessions_consolidate_job()
    memory_erase(workspace_id=workspace_id, memory_id=str(MemoryEntry.objects.get().pk))
    say(workspace_id, agent_id, "Remember that the shuttle is red.")
    rest()

    tasks.sessions_consolidate_job()

    assert remembered(workspace_id) == [("session", "s", "Remember that the shuttle is red.")]
