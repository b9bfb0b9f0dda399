"""The inbox: what waits for a person is there, is decided there, and once."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from agents.models import Approval, Skill, Tool
from cluster.models import Blueprint, Task
from cluster.services.blueprints import blueprint_import
from loomsite.access.models import AuditEntry
from tests.integration.admin.seeding import EVIL, Seeds, member

pytestmark = pytest.mark.django_db


@pytest.fixture
def seeds() -> Seeds:
    made = Seeds("alpha")
    _waiting(made)
    return made


def _waiting(seeds: Seeds) -> None:
    """Make another set of rows, with one of each kind that waits for a person."""
    seeds.more()
    Task.objects.filter(pk=seeds.task.pk).update(
        status="input_required", outcome=None, finished_at=None
    )
    Tool.objects.filter(workspace=seeds.workspace).update(pending={"description": f"new {EVIL}"})
    Blueprint.objects.filter(workspace=seeds.workspace).update(state="draft")


@pytest.fixture
def client(seeds) -> Client:
    found = Client()
    found.force_login(member(seeds.workspace.pk, "operator", "olga"))
    return found


def _inbox() -> str:
    return reverse("admin:agents_approval_inbox")


def test_all_that_waits_is_shown_with_few_queries_and_no_script(client, seeds) -> None:
    client.get(_inbox())

    with CaptureQueriesContext(connection) as one:
        shown = client.get(_inbox()).content.decode()
    _waiting(seeds)
    _waiting(seeds)
    with CaptureQueriesContext(connection) as three:
        client.get(_inbox())

    for heading in ("Questions and approvals", "Drafts of skills", "Drafts of blueprints",
                    "MCP tools that changed"):  # fmt: skip
        assert heading in shown
    assert EVIL not in shown
    assert f'name="back" value="{_inbox()}"' in shown
    assert len(one) == len(three) <= 15


def test_a_question_is_answered_and_the_person_is_back_in_the_inbox(client, seeds) -> None:
    (asked,) = seeds.rows[Approval]
    url = reverse("admin:agents_approval_do", args=[asked.pk, "answer"])

    answer = client.post(url, {"decision": "yes", "text": "go on", "back": _inbox()})
    again = client.post(url, {"decision": "yes", "back": _inbox()}, follow=True)
    asked.refresh_from_db()

    assert answer.headers["Location"] == _inbox()
    assert (asked.status, asked.decision, asked.text) == ("answered", "yes", "go on")
    assert asked.answered_by == "user:olga"
    assert "not possible any more" in again.content.decode()


def test_a_draft_is_accepted_with_a_reason_that_the_audit_keeps(client, seeds) -> None:
    (skill,) = seeds.rows[Skill]
    url = reverse("admin:agents_skill_do", args=[skill.pk, "activate"])

    client.post(url, {"reason": "reads well", "back": _inbox()})
    skill.refresh_from_db()

    assert skill.state == "active"
    assert AuditEntry.objects.get(action="skill.activate").reason == "reads well"


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example/admin/", "/api/", "x"])
def test_the_way_back_leads_nowhere_else(back, client, seeds) -> None:
    (skill,) = seeds.rows[Skill]
    url = reverse("admin:agents_skill_do", args=[skill.pk, "activate"])

    answer = client.post(url, {"reason": "reads well", "back": back})

    assert answer.headers["Location"].startswith("/admin/agents/skill/")


def test_nothing_of_another_workspace_is_in_the_inbox(seeds) -> None:
    ours = Seeds("ours")
    stranger = Client()
    stranger.force_login(member(ours.workspace.pk, "owner"))

    shown = stranger.get(_inbox()).content.decode()

    assert "Nothing waits for you" in shown
    assert "alpha" not in shown


def test_a_viewer_sees_what_waits_and_has_no_buttons(seeds) -> None:
    viewer = Client()
    viewer.force_login(member(seeds.workspace.pk, "viewer"))

    shown = viewer.get(_inbox()).content.decode()

    assert "Questions and approvals" in shown
    assert "/do/" not in shown


def test_a_question_whose_task_is_gone_does_not_break_the_inbox(client, seeds) -> None:
    Approval.objects.filter(workspace=seeds.workspace).update(
        task_id="00000000-0000-0000-0000-000000000001", detail=["not", "a", "mapping"]
    )

    assert client.get(_inbox()).status_code == 200


def _decide(client: Client, row: object, name: str, reason: str = "looked at it"):
    page = client.get(_inbox()).content.decode()
    meta = type(row)._meta
    url = reverse(f"admin:{meta.app_label}_{meta.model_name}_do", args=[row.pk, name])
    assert f'formaction="{url}"' in page, f"the inbox has no button {name}"
    return client.post(url, {"reason": reason, "back": _inbox()}, follow=True)


@pytest.mark.parametrize(("button", "state"), [("approve", "active"), ("refuse", "retired")])
def test_a_draft_of_a_blueprint_is_decided_in_the_inbox(button, state, client, seeds) -> None:
    (draft,) = seeds.rows[Blueprint]
    Blueprint.objects.filter(pk=draft.pk).delete()
    made = blueprint_import(
        workspace_id=str(seeds.workspace.pk),
        document={"slug": "drafted", "spec": {"name": "Drafted", "instructions": "Be brief."}},
        actor="user:ines",
        reason="wanted",
    )
    Blueprint.objects.filter(pk=made).update(state="draft")
    draft = Blueprint.objects.get(pk=made)

    _decide(client, draft, button, "")
    untouched = Blueprint.objects.get(pk=made).state
    answer = _decide(client, draft, button)

    assert (untouched, Blueprint.objects.get(pk=made).state) == ("draft", state)
    assert "drafted v1" not in answer.content.decode().partition("Drafts of blueprints")[2]
    assert AuditEntry.objects.filter(action=f"blueprint.{button}", reason="looked at it").exists()


@pytest.mark.parametrize(("button", "enabled"), [("accept", True), ("refuse", False)])
def test_a_changed_tool_is_decided_in_the_inbox(button, enabled, client, seeds) -> None:
    (tool,) = seeds.rows[Tool]

    _decide(client, tool, button)
    tool.refresh_from_db()

    assert (tool.pending, tool.enabled) == ({}, enabled)
    assert (tool.description == f"new {EVIL}") is enabled


def test_a_refused_draft_of_a_skill_is_retired(client, seeds) -> None:
    (skill,) = seeds.rows[Skill]

    _decide(client, skill, "retire")
    skill.refresh_from_db()

    assert skill.state == "retired"
