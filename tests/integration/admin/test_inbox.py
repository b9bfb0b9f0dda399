"""The inbox: what waits for a person is there, is decided there, and once."""

import html

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from agents.models import Approval, Skill, Tool, ToolEffect
from cluster.models import Blueprint, Task
from cluster.services.blueprints import blueprint_import
from loomsite.access.models import AuditEntry, Workspace
from tests.integration.admin.seeding import EVIL, Seeds, member, signed_in

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
def home(seeds: Seeds) -> Workspace:
    return seeds.workspace


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
    stranger = signed_in(member(ours.workspace.pk, "owner"))

    shown = stranger.get(_inbox()).content.decode()

    assert "Nothing waits for you" in shown
    assert "alpha" not in shown


def test_a_viewer_sees_what_waits_and_has_no_buttons(seeds) -> None:
    viewer = signed_in(member(seeds.workspace.pk, "viewer"))

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


# ---------------------------------------------------------------- changing a call


def _asking(seeds: Seeds, **fields: object) -> tuple[Approval, str]:
    """Make the question about a tool call, and return it with where the call is changed."""
    (question,) = seeds.rows[Approval]
    Tool.objects.filter(workspace=seeds.workspace).update(
        name="post", parameters={"type": "object", "properties": {"to": {"type": "string"}},
                                 "required": ["to"]},
    )  # fmt: skip
    evil = EVIL.replace('"', "'")
    values = {
        "kind": "approval", "options": ["approve", "deny"],
        "detail": {"tool": "post", "arguments": f'{{"to": "</textarea>{evil}"}}'},
    }  # fmt: skip
    Approval.objects.filter(pk=question.pk).update(**values | fields)
    question.refresh_from_db()
    return question, reverse("admin:agents_approval_edit", args=[question.pk])


def test_a_call_is_changed_before_it_is_approved(client, seeds) -> None:
    question, url = _asking(seeds)
    linked = f"{url}?back={_inbox()}"
    token = {"_once": "one-form"}

    inbox, form = client.get(_inbox()).content.decode(), client.get(linked).content.decode()
    sent = {"arguments": '{"to": "Bob"}', "reason": "Ann left", "back": _inbox(), **token}
    answer = client.post(url, sent)
    again = client.post(url, sent | {"arguments": '{"to": "Eve"}'}, follow=True)
    question.refresh_from_db()

    assert linked in inbox
    assert "</textarea><" not in form
    assert EVIL.replace('"', "'") not in form
    assert answer.headers["Location"] == _inbox()
    assert (question.status, question.decision, question.text) == (
        "answered",
        "approve",
        "Ann left",
    )
    assert question.edited == {"to": "Bob"}
    assert "no call here that can be changed" in again.content.decode()
    entry = AuditEntry.objects.get(action="approval.edit")
    assert (entry.actor, entry.door, entry.reason) == ("user:olga", "admin", "Ann left")
    assert entry.detail["edited"] == '{"to": "Bob"}'
    page = client.get(reverse("admin:agents_approval_change", args=[question.pk]))
    assert "user:olga changed the call before it ran" in page.content.decode()


@pytest.mark.parametrize(
    ("arguments", "reason", "why"),
    [
        ('{"to": 1}', "so", "to: 1 is not of type"),
        ("{}", "so", "required property"),
        ("[]", "so", "one JSON object"),
        ("null", "so", "one JSON object"),
        ('{"to": ', "so", "It is not JSON"),
        ('{"to": NaN}', "so", "too large"),
        ("", "so", "It is not JSON"),
        ('{"to": "Bob"}', " ", "Say why"),
        ("[" * 100_000, "so", "It is not JSON"),
    ],
)
def test_a_change_that_cannot_be_is_refused_with_what_was_typed(
    arguments, reason, why, client, seeds
) -> None:
    question, url = _asking(seeds)

    shown = client.post(url, {"arguments": arguments, "reason": reason})
    question.refresh_from_db()

    assert shown.status_code == 200
    assert why in html.unescape(shown.content.decode())
    assert arguments in html.unescape(shown.content.decode())
    assert question.status == "open"
    assert not AuditEntry.objects.filter(action__startswith="approval.").exists()


@pytest.mark.parametrize(
    "fields", [{"detail": {}}, {"options": ["done", "skip"]}, {"status": "withdrawn"}]
)
def test_what_is_no_call_to_approve_has_no_page_to_change_it(fields, client, seeds) -> None:
    _question, url = _asking(seeds, **fields)

    answer = client.get(url)

    assert "no call here that can be changed" in answer.content.decode()
    assert 'name="arguments"' not in answer.content.decode()
    assert url not in client.get(_inbox()).content.decode()


def test_nobody_else_changes_a_call(seeds) -> None:
    question, url = _asking(seeds)
    viewer = signed_in(member(seeds.workspace.pk, "viewer", "vera"))
    stranger = signed_in(member(Seeds("ours").workspace.pk, "owner", "sam"))
    sent = {"arguments": '{"to": "Bob"}', "reason": "mine"}

    codes = [each.post(url, sent).status_code for each in (viewer, stranger)]
    question.refresh_from_db()

    assert codes == [403, 404]
    assert (question.status, question.edited) == ("open", None)


def test_a_step_says_who_changed_its_call(client, seeds) -> None:
    question, _ = _asking(seeds, edited={"to": "Bob"}, status="answered", decision="approve",
                          answered_by="user:olga", answered_at=timezone.now())  # fmt: skip
    (effect,) = seeds.rows[ToolEffect]
    Approval.objects.filter(pk=question.pk).update(run_id=effect.run_id, key=effect.key)
    part = reverse("admin:cluster_task_part", args=[seeds.task.pk, "step"])

    shown = client.get(f"{part}?run={effect.run_id}&step={effect.step}").content.decode()

    assert "changed by user:olga" in shown
