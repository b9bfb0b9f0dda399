"""Memories over REST: subjects, topics, review, and what a stranger's key sees."""

import pytest

from agents.models import MemoryEntry
from tests.factories.access import make_tenant

pytestmark = pytest.mark.django_db

URL = "/api/v1/memories"


def texts(response):
    return [row["text"] for row in response.json()["results"]]


def remember(client, text, **fields):
    return client.post(URL, {"text": text, **fields}, format="json").json()["id"]


def test_a_subject_is_listed_and_erased_by_its_own_workspace_only():
    mine, other = make_tenant().client(), make_tenant().client()
    remember(mine, "Ann weaves.", subject="ann")
    remember(mine, "Bo spins.", subject="bo")

    stranger = (texts(other.get(f"{URL}?subject=ann")), other.delete(f"{URL}?subject=ann").json())
    exported = texts(mine.get(f"{URL}?subject=ann"))
    erased = mine.delete(f"{URL}?subject=ann").json()

    assert stranger == ([], {"erased": 0})
    assert exported == ["Ann weaves."]
    assert erased == {"erased": 1}
    assert texts(mine.get(URL)) == ["Bo spins."]


def test_a_draft_waits_in_the_review_queue_and_closes_nothing_before():
    client, stranger = make_tenant().client(), make_tenant().client()
    remember(client, "tea", topic="drink")
    draft = remember(client, "coffee", topic="drink", review=True)
    queue = texts(client.get(f"{URL}?review=pending"))

    foreign = stranger.post(f"{URL}/{draft}/review", {"accepted": True}, format="json")
    accepted = client.post(f"{URL}/{draft}/review", {"accepted": True}, format="json")

    assert queue == ["coffee"]
    assert (foreign.status_code, accepted.status_code) == (404, 204)
    assert texts(client.get(f"{URL}?query=drink tea coffee")) == ["coffee"]
    assert MemoryEntry.objects.count() == 2


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("delete", "", None),
        ("get", "?review=maybe", None),
        ("post", "", {"text": "x", "occasion": "y" * 201}),
        ("post", "", {"text": "x", "subject": 7}),
        ("post", "", {"text": " "}),
    ],
)
def test_what_cannot_be_done_is_refused_and_nothing_is_written(method, path, body):
    client = make_tenant().client()

    response = getattr(client, method)(f"{URL}{path}", body, format="json")

    assert response.status_code == 400
    assert MemoryEntry.objects.count() == 0


def test_an_entry_is_read_changed_merged_and_exported_by_its_own_workspace_only():
    mine, other = make_tenant().client(), make_tenant().client()
    one = remember(mine, "Ann weaves.", subject="ann")
    two = remember(mine, "Ann weaves wool.", subject="ann")

    foreign = [
        other.get(f"{URL}/{one}"),
        other.patch(f"{URL}/{one}", {"text": "x"}, format="json"),
        other.post(f"{URL}/merge", {"memory_ids": [one, two]}, format="json"),
    ]
    changed = mine.patch(f"{URL}/{one}", {"text": "Ann spins."}, format="json")
    merged = mine.post(f"{URL}/merge", {"memory_ids": [one, two], "text": "Ann."}, format="json")

    assert [response.status_code for response in foreign] == [404, 404, 404]
    assert changed.json()["text"] == "Ann spins."
    assert [item["before"] for item in changed.json()["history"]] == [{"text": "Ann weaves."}]
    assert merged.status_code == 201
    assert texts(mine.get(f"{URL}?query=Ann")) == ["Ann."]
    assert texts(mine.get(f"{URL}?view=new")) == ["Ann."]
    assert texts(other.get(f"{URL}?view=new")) == []
    exported = mine.get(f"{URL}/export?subject=ann").json()["memories"]
    assert [row["text"] for row in exported] == ["Ann spins.", "Ann weaves wool.", "Ann."]
    assert other.get(f"{URL}/export?subject=ann").json()["memories"] == []
    assert mine.get(f"{URL}/export").status_code == 400
    assert mine.get(f"{URL}?view=odd").status_code == 400
    assert mine.patch(f"{URL}/{one}", {}, format="json").status_code == 400
