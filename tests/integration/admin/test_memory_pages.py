"""Curating memory: edit with history, views, merge, expire, erase by subject, export."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from agents import wiring
from agents.models import MemoryEntry, MemoryRevision
from loomsite.access.models import AuditEntry, Workspace
from tests.integration.admin.seeding import EVIL, member, signed_in

pytestmark = pytest.mark.django_db


def _url(page: str, *args: object) -> str:
    return reverse(f"admin:agents_memoryentry_{page}", args=args)


def _entry(home: Workspace, text: str, **fields) -> MemoryEntry:
    pk = wiring.memory_remember(workspace_id=str(home.pk), text=text, **fields)
    return MemoryEntry.objects.get(pk=pk)


def _form(row: MemoryEntry, **fields) -> dict:
    form = {"text": row.text, "importance": row.importance, "subject": row.subject,
            "topic": row.topic, "occasion": row.occasion, "valid_until_0": "",
            "valid_until_1": ""}  # fmt: skip
    return {**form, **fields}


def test_an_entry_is_edited_and_its_history_kept(client, home) -> None:
    row = _entry(home, "Ada likes tea.", subject="Ada")

    saved = client.post(_url("change", row.pk), _form(row, text="Ada likes coffee."))
    story = client.get(_url("story", row.pk)).content.decode()
    found = wiring.memory_recall(workspace_id=str(home.pk), query="what does Ada drink: coffee")

    row.refresh_from_db()
    assert (saved.status_code, row.text) == (302, "Ada likes coffee.")
    assert MemoryRevision.objects.get().before == {"text": "Ada likes tea."}
    assert "Ada likes tea." in story
    assert "user:olga" in story
    assert [hit.text for hit in found] == ["Ada likes coffee."]
    assert AuditEntry.objects.filter(action="memoryentry.change").count() == 1


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"text": ""}, "This field is required"),
        ({"importance": "7"}, "importance"),
        ({"text": "a\x00"}, "Null characters"),
        ({"valid_until_0": "1990-01-01", "valid_until_1": "00:00:00"}, "cannot end before"),
        ({"text": "Bob likes tea."}, "merge the two"),
    ],
)
def test_an_edit_that_cannot_be_says_why_and_changes_nothing(
    fields, sentence, client, home
) -> None:
    row = _entry(home, "Ada likes tea.")
    _entry(home, "Bob likes tea.")

    answer = client.post(_url("change", row.pk), _form(row, **fields))

    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert MemoryEntry.objects.get(pk=row.pk).text == "Ada likes tea."
    assert MemoryRevision.objects.count() == 0


def test_views_show_what_is_worth_a_look(client, home) -> None:
    _entry(home, f"The door code is 1. {EVIL}", topic="door code")
    _entry(home, "The door code is 2.", topic="door code")
    _entry(home, "Looms weave.")

    shown = {
        view: client.get(_url("curate"), {"view": view}).content.decode()
        for view in ("new", "unused", "contradicting", "most_used", "pending", "fading", "expired")
    }

    assert "Looms weave." in shown["new"]
    assert "Looms weave." in shown["unused"]
    assert "The door code is 1." in shown["contradicting"]
    assert "Looms weave." not in shown["contradicting"]
    assert "The door code is 1." in shown["expired"]
    assert "Nothing has been used yet" in shown["most_used"]
    assert "lm-empty" in shown["pending"]
    assert not any(EVIL in page for page in shown.values())


def test_chosen_entries_are_ended_with_a_reason(client, home) -> None:
    rows = [_entry(home, "One."), _entry(home, "Two.")]
    ids = [str(row.pk) for row in rows]
    form = {"workspace": "home", "view": "new", "id": ids, "verb": "expire"}

    silent = client.post(_url("curate"), form, follow=True)
    untouched = MemoryEntry.objects.filter(valid_until__isnull=True).count()
    done = client.post(_url("curate"), {**form, "reason": "old"}, follow=True)
    none = client.post(_url("curate"), {**form, "id": []}, follow=True)
    magic = client.post(_url("curate"), {**form, "verb": "magic", "reason": "x"}, follow=True)

    assert "Say why" in silent.content.decode()
    assert untouched == 2
    assert "2 entries ended" in done.content.decode()
    assert "Choose at least one" in none.content.decode()
    assert "Choose what to do" in magic.content.decode()
    assert MemoryEntry.objects.filter(valid_until__isnull=True).count() == 0
    assert (
        list(AuditEntry.objects.values_list("action", "reason"))
        == [("memoryentry.expire", "old")] * 2
    )


def test_entries_are_merged_into_one(client, home) -> None:
    rows = [_entry(home, "Ada drinks tea."), _entry(home, "Ada's drink is tea.", importance=0.9)]
    chosen = client.post(
        _url("curate"),
        {"workspace": "home", "view": "new", "verb": "merge", "id": [r.pk for r in rows]},
    )

    page = client.get(chosen.url).content.decode()
    form = {"workspace": "home", "ids": ",".join(str(r.pk) for r in rows), "text": "Ada: tea."}
    client.post(_url("merge"), {**form, "reason": "twice"})

    assert ">Ada&#x27;s drink is tea.</textarea>" in page
    assert list(
        MemoryEntry.objects.filter(valid_until__isnull=True).values_list("text", flat=True)
    ) == ["Ada: tea."]
    assert AuditEntry.objects.get(action="memoryentry.merge").reason == "twice"


def test_merging_many_costs_no_more_queries_and_is_done_once(client, home) -> None:
    rows = [_entry(home, f"Ada owns {count} looms.") for count in range(6)]
    ids = [str(row.pk) for row in rows]
    client.get(_url("merge"), {"ids": ids[0]})

    counts = []
    for chosen in (ids[:2], ids):
        with CaptureQueriesContext(connection) as queries:
            shown = client.get(_url("merge"), {"ids": ",".join(chosen)})
        counts.append(len(queries))
    form = {"workspace": "home", "ids": ",".join(ids), "text": "Ada owns looms.", "reason": "dear"}
    client.post(_url("merge"), form)
    again = client.post(_url("merge"), form, follow=True)

    assert shown.status_code == 200
    assert counts[0] == counts[1] <= 15
    assert again.status_code == 200
    assert MemoryEntry.objects.filter(text="Ada owns looms.").count() == 1
    assert client.get(_url("merge"), {"ids": "nonsense"}).status_code == 404


def test_all_about_a_subject_is_exported_and_erased_once_it_is_as_many_as_was_seen(
    client, home
) -> None:
    for text in ("Ada is tall.", "Ada is kind."):
        _entry(home, text, subject="Ada")
    _entry(home, "Bob is old.", subject="Bob")
    page = client.get(_url("erase"), {"subject": "Ada"}).content.decode()
    form = {"workspace": "home", "subject": "Ada", "reason": "she asked"}

    file = client.get(_url("export"), {"subject": "Ada"})
    stale = client.post(_url("erase"), {**form, "count": 1}, follow=True).content.decode()
    left = MemoryEntry.objects.count()
    done = client.post(_url("erase"), {**form, "count": 2}, follow=True).content.decode()

    assert "2 entries about" in page
    assert {each["text"] for each in json.loads(file.content)["memories"]} == {
        "Ada is tall.", "Ada is kind.",
    }  # fmt: skip
    assert "attachment" in file["Content-Disposition"]
    assert "There are 2 entries by now" in stale
    assert left == 3
    assert "2 entries are gone" in done
    assert [row.text for row in MemoryEntry.objects.all()] == ["Bob is old."]
    entry = AuditEntry.objects.get(action="memoryentry.erase_subject")
    assert (entry.reason, entry.detail) == ("she asked", {"count": 2})


def test_another_workspaces_entries_are_not_curated_merged_erased_or_exported(client, home) -> None:
    theirs = Workspace.objects.create(slug="theirs", name="Theirs")
    rows = [_entry(theirs, "Secret one.", subject="Eve"), _entry(theirs, "Secret two.")]
    ids = [str(row.pk) for row in rows]

    pages = [
        client.get(_url("curate"), {"workspace": "theirs"}),
        client.get(_url("erase"), {"workspace": "theirs", "subject": "Eve"}),
        client.get(_url("export"), {"workspace": "theirs", "subject": "Eve"}),
    ]
    merged = client.get(_url("merge"), {"workspace": "theirs", "ids": ",".join(ids)})
    client.post(
        _url("curate"),
        {"workspace": "theirs", "view": "new", "id": ids, "verb": "delete", "reason": "x"},
    )
    client.post(_url("erase"), {"workspace": "theirs", "subject": "Eve", "count": 1, "reason": "x"})

    assert not any("Secret" in page.content.decode() for page in pages)
    assert merged.status_code == 404
    assert MemoryEntry.objects.filter(workspace=theirs, valid_until__isnull=True).count() == 2


def test_a_viewer_looks_and_changes_nothing(home) -> None:
    row = _entry(home, "Ada likes tea.", subject="Ada")
    client = signed_in(member(home.pk, "viewer"))

    looked = client.get(_url("curate"))
    client.post(
        _url("curate"),
        {"workspace": "home", "view": "new", "id": [row.pk], "verb": "delete", "reason": "x"},
    )

    assert looked.status_code == 200
    assert b"With the chosen" not in looked.content
    assert [client.get(_url(page)).status_code for page in ("erase", "merge", "export")] == [
        403
    ] * 3
    assert MemoryEntry.objects.count() == 1
