"""Nobody sees, finds, chooses or changes what is another workspace's; roles are kept."""

import json

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from agents.models import Agent, Endpoint
from cluster.models import Task
from knowledge.models import Collection, Document
from loomsite.access.admin.base import LoomAdmin
from loomsite.access.models import Membership
from tests.integration.admin.seeding import Seeds, member, person, signed_in

pytestmark = pytest.mark.django_db

_TENANT = sorted(
    (
        model._meta.label_lower
        for model, page in admin.site._registry.items()
        if isinstance(page, LoomAdmin) and page.workspace_path is not None
    ),
)
_MODELS = {model._meta.label_lower: model for model in admin.site._registry}


def _url(label: str, page: str, *args: object) -> str:
    return reverse(f"admin:{label.replace('.', '_')}_{page}", args=args)


def _ids(client: Client, url: str) -> set[str]:
    return {str(row.pk) for row in client.get(url).context["cl"].result_list}


@pytest.fixture
def theirs() -> Seeds:
    seeds = Seeds("theirs")
    seeds.more()
    return seeds


@pytest.fixture
def ours() -> Seeds:
    seeds = Seeds("ours")
    seeds.more()
    return seeds


@pytest.mark.parametrize("label", _TENANT)
def test_an_owner_of_one_workspace_sees_nothing_of_another(label, ours, theirs) -> None:
    owner = member(ours.workspace.pk, "owner")
    client = signed_in(owner)
    foreign = theirs.rows[_MODELS[label]][0]
    own = ours.rows[_MODELS[label]][0]

    listed = _ids(client, _url(label, "changelist"))
    filtered = _ids(client, _url(label, "changelist") + f"?pk__exact={foreign.pk}")
    opened = client.get(_url(label, "change", foreign.pk), follow=True)
    own_page = client.get(_url(label, "change", own.pk))

    assert str(own.pk) in listed
    assert str(foreign.pk) not in listed | filtered
    assert opened.status_code == 404 or opened.redirect_chain[-1][0] == reverse("admin:index")
    assert own_page.status_code == 200


@pytest.mark.parametrize("label", _TENANT)
def test_a_missing_and_a_foreign_row_are_answered_alike(label, ours, theirs) -> None:
    client = signed_in(member(ours.workspace.pk, "owner"))
    foreign = theirs.rows[_MODELS[label]][0]
    key = foreign.pk
    theirs_answer = client.get(_url(label, "change", key))
    deleted = client.post(_url(label, "delete", key), {"post": "yes"})
    done = client.post(_url(label, "do", key, "anything"))

    assert theirs_answer.status_code in {302, 404}
    assert deleted.status_code in {302, 403, 404}
    assert done.status_code == 404
    assert type(foreign)._default_manager.filter(pk=key).exists()


@pytest.mark.parametrize("label", _TENANT)
def test_a_viewer_may_read_and_change_nothing(label, ours) -> None:
    client = signed_in(member(ours.workspace.pk, "viewer"))
    own = ours.rows[_MODELS[label]][0]
    page = admin.site._registry[_MODELS[label]]

    read = client.get(_url(label, "change", own.pk))
    changed = client.post(_url(label, "change", own.pk), {"name": "changed"})
    added = client.get(_url(label, "add"))
    deleted = client.post(_url(label, "delete", own.pk), {"post": "yes"})
    buttons = [
        client.post(_url(label, "do", own.pk, action.name)).status_code
        for action in page.row_actions
    ]

    if page.views == "viewer":
        assert read.status_code == 200
        assert b'name="_save"' not in read.content
    else:
        assert read.status_code == 403
    assert changed.status_code in {200, 302, 403} if label == "cluster.task" else {302, 403}
    assert added.status_code == 403
    assert deleted.status_code in {302, 403}
    assert set(buttons) <= {403, 404}
    assert type(own)._default_manager.filter(pk=own.pk).exists()


def test_staff_without_a_workspace_see_an_empty_admin(theirs) -> None:
    client = signed_in(person("lost"))

    front = client.get("/admin/")
    tasks = client.get(_url("cluster.task", "changelist"))

    assert b"You are in no workspace yet" in front.content
    assert tasks.status_code == 403


def test_a_member_without_staff_status_is_sent_to_sign_in(ours) -> None:
    user = member(ours.workspace.pk, "owner")
    user.is_staff = False
    user.save()

    answer = signed_in(user).get("/admin/")

    assert answer.status_code == 302
    assert "/admin/login/" in answer.url


def test_autocomplete_finds_own_rows_alone(ours, theirs) -> None:
    client = signed_in(member(ours.workspace.pk, "operator"))
    ask = {"app_label": "cluster", "model_name": "task", "field_name": "agent", "term": "agent"}

    found = json.loads(client.get("/admin/autocomplete/", ask).content)

    assert [row["id"] for row in found["results"]] == [str(ours.agent.pk)]


def test_autocomplete_survives_a_null_character(ours) -> None:
    client = signed_in(member(ours.workspace.pk, "operator"))
    ask = {"app_label": "cluster", "model_name": "task", "field_name": "agent", "term": "a\x00"}

    assert client.get("/admin/autocomplete/", ask).status_code == 200


def test_forms_refuse_a_foreign_agent_endpoint_collection_and_workspace(ours, theirs) -> None:
    client = signed_in(member(ours.workspace.pk, "operator"))
    form = {"goal": "g", "idempotency_key": "k", "max_cycles": 2, "priority": 0}
    before = (Task.objects.count(), Agent.objects.count(), Document.objects.count())

    answers = [
        client.post(
            _url("cluster.task", "add"),
            {**form, "workspace": ours.workspace.pk, "agent": theirs.agent.pk},
        ),
        client.post(_url("cluster.task", "add"), {**form, "workspace": theirs.workspace.pk}),
        client.post(
            _url("agents.agent", "add"),
            {"workspace": ours.workspace.pk, "slug": "x", "name": "x", "max_steps": 1,
             "timeout_s": 1, "endpoint": theirs.rows[Endpoint][0].pk},
        ),
        client.post(
            _url("knowledge.document", "add"),
            {"collection": theirs.rows[Collection][0].pk, "body": "text", "external_id": "e"},
        ),
    ]  # fmt: skip

    assert [answer.status_code for answer in answers] == [200, 200, 200, 200]
    assert all(b"Select a valid choice" in answer.content for answer in answers)
    assert (Task.objects.count(), Agent.objects.count(), Document.objects.count()) == before


def test_an_operator_here_who_views_there_writes_here_alone(ours, theirs) -> None:
    user = member(ours.workspace.pk, "operator")
    Membership.objects.create(workspace=theirs.workspace, user=user, role="viewer")
    client = signed_in(user)
    there = theirs.rows[Collection][0]

    seen = client.get(_url("knowledge.collection", "change", there.pk))
    uploaded = client.post(
        _url("knowledge.document", "add"), {"collection": there.pk, "body": "x", "external_id": "e"}
    )
    submitted = client.post(
        _url("cluster.task", "add"),
        {"goal": "g", "idempotency_key": "k", "workspace": theirs.workspace.pk},
    )

    assert seen.status_code == 200
    assert b'name="_save"' not in seen.content
    assert b"Select a valid choice" in uploaded.content
    assert b"Select a valid choice" in submitted.content
    assert not Document.objects.filter(external_id="e").exists()


def test_an_operator_makes_nobody_a_member(ours) -> None:
    client = signed_in(member(ours.workspace.pk, "operator"))

    answers = [
        client.get(_url(label, "add")).status_code
        for label in ("access.membership", "access.apikey", "access.workspace", "auth.user")
    ]

    assert answers == [403, 403, 403, 403]


def test_a_button_pressed_from_another_site_is_refused(ours) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(member(ours.workspace.pk, "owner"))

    answer = client.post(_url("agents.agent", "do", ours.agent.pk, "retire"))

    assert answer.status_code == 403
    assert Agent.objects.get(pk=ours.agent.pk).retired_at is None


def test_an_owner_of_one_workspace_gains_nothing_in_another(ours, theirs) -> None:
    owner = member(ours.workspace.pk, "owner", "olga")
    client = signed_in(owner)

    answer = client.post(
        _url("access.membership", "add"),
        {"workspace": theirs.workspace.pk, "username": "olga", "role": "owner"},
    )

    assert b"Select a valid choice" in answer.content
    assert not Membership.objects.filter(workspace=theirs.workspace, user=owner).exists()
