"""What all pages of the admin share: reasons, stale forms, diffs."""

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from agents.models import Agent, Scene
from loomsite.access.admin.diff import changes, lines_changed
from loomsite.access.models import AuditEntry
from tests.integration.admin.seeding import Seeds, member, person, signed_in


def _kinds(before: str, after: str) -> list[tuple[str, str]]:
    return [(line.kind, line.text) for line in lines_changed(before, after)]


def test_a_diff_shows_what_changed_with_a_few_lines_around_it() -> None:
    before = "\n".join(f"line {number}" for number in range(20))

    shown = _kinds(before, before.replace("line 10", "line ten"))

    assert shown == [
        ("gap", "7 lines unchanged"),
        ("same", "line 7"), ("same", "line 8"), ("same", "line 9"),
        ("removed", "line 10"), ("added", "line ten"),
        ("same", "line 11"), ("same", "line 12"), ("same", "line 13"),
        ("gap", "6 lines unchanged"),
    ]  # fmt: skip


def test_a_diff_of_texts_that_share_nothing_is_bounded() -> None:
    before, after = ("\n".join(f"{word} {n}" for n in range(5_000)) for word in ("old", "new"))

    shown = lines_changed(before, after)

    assert len(shown) == 601
    assert shown[-1].text == "9400 more lines of the diff"


def test_changes_name_only_the_fields_that_differ() -> None:
    found = changes({"a": 1, "b": ["x"], "gone": "g"}, {"a": 1, "b": ["x", "y"], "new": "n"})

    assert [change.field for change in found] == ["b", "new", "gone"]


@pytest.mark.django_db
def test_a_dangerous_button_without_a_reason_does_nothing() -> None:
    seeds = Seeds("alpha")
    seeds.more()
    client = signed_in(member(seeds.workspace.pk, "operator"))
    url = reverse("admin:agents_agent_do", args=[seeds.agent.pk, "retire"])
    entries = AuditEntry.objects.count()

    refused = client.post(url, {"reason": "  "}, follow=True)
    untouched = Agent.objects.get(pk=seeds.agent.pk).retired_at
    done = client.post(url, {"reason": "worn out"}, follow=True)

    assert b"Say why" in refused.content
    assert untouched is None
    assert b"is retired" in done.content
    assert list(AuditEntry.objects.order_by("id").values_list("reason", flat=True)[entries:]) == [
        "worn out"
    ]


@pytest.mark.django_db
def test_a_form_that_is_stale_is_refused_once_and_then_replaces() -> None:
    seeds = Seeds("alpha")
    seeds.more()
    client = signed_in(member(seeds.workspace.pk, "operator"))
    scene = seeds.rows[Scene][0]
    url = reverse("admin:agents_scene_change", args=[scene.pk])
    seen = client.get(url).context["adminform"].form.seen
    form = {"name": "mine", "deny_tags": "exec", "_seen": seen}
    Scene.objects.filter(pk=scene.pk).update(name="theirs")

    refused = client.post(url, form)
    kept = Scene.objects.get(pk=scene.pk).name
    now_seen = refused.context["adminform"].form.seen
    saved = client.post(url, {**form, "_seen": now_seen})

    assert refused.status_code == 200
    assert "Somebody changed this while you were at it" in refused.content.decode()
    assert 'value="mine"' in refused.content.decode()
    assert kept == "theirs"
    assert (saved.status_code, Scene.objects.get(pk=scene.pk).name) == (302, "mine")


@pytest.mark.django_db
def test_what_is_gone_forbidden_stale_or_no_question_is_said_in_words() -> None:
    seeds = Seeds("alpha")
    seeds.more()
    client = signed_in(member(seeds.workspace.pk, "viewer"))
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(member(seeds.workspace.pk, "operator"))
    tasks = reverse("admin:cluster_task_changelist")
    gone = reverse("admin:agents_agent_do", args=[seeds.workspace.pk, "retire"])
    kept = reverse("admin:agents_agent_do", args=[seeds.agent.pk, "retire"])

    said = {
        answer.status_code: answer.content.decode()
        for answer in (
            client.get(tasks, {"goal__iregex": "(a+)+"}),
            client.post(kept, {"reason": "x"}),
            client.post(gone, {"reason": "x"}),
        )
    }
    stale = careful.post(kept, {"reason": "x"})

    assert "This cannot be understood" in said[400]
    assert "You may not see or do this" in said[403]
    assert "was deleted meanwhile" in said[404]
    assert (stale.status_code, b"This form is too old" in stale.content) == (403, True)


@pytest.mark.django_db
def test_what_is_done_to_accounts_is_audited_and_a_deletion_asks_why() -> None:
    client = signed_in(person("root", is_superuser=True))
    users, word = get_user_model().objects, "a long enough word"

    client.post(
        reverse("admin:auth_user_add"),
        {"username": "olga", "password1": word, "password2": word, "usable_password": "true"},
    )
    olga = users.get(username="olga")
    client.post(
        reverse("admin:auth_user_password_change", args=[olga.pk]),
        {"password1": word + "s", "password2": word + "s", "usable_password": "true"},
    )
    delete = reverse("admin:auth_user_delete", args=[olga.pk])
    silent = client.post(delete, {"post": "yes"}, follow=True)
    kept = users.filter(pk=olga.pk).exists()
    shown = client.get(reverse("admin:auth_user_changelist")).content
    client.post(delete, {"post": "yes", "reason": "left"})

    assert (b"Say why" in silent.content, kept, b"delete_selected" in shown) == (True, True, False)
    assert not users.filter(pk=olga.pk).exists()
    entries = AuditEntry.objects.order_by("id").values_list("actor", "action", "target", "reason")
    assert list(entries) == [
        ("user:root", "user.create", "olga", ""),
        ("user:root", "user.change", "olga", ""),
        ("user:root", "user.delete", "olga", "left"),
    ]
    assert word not in str(list(AuditEntry.objects.values_list("detail", flat=True)))
