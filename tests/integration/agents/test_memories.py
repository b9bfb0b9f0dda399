"""Memory on the search engine: neighbours, validity, topics, review, subjects, uses, isolation."""

import pytest

from agents import wiring
from agents.models import MemoryEntry, MemoryUse, Run
from agents.selectors import memories as entries
from agents.services import memories
from agents.store.memories import WORKSPACE, DbMemory
from knowledge import wiring as knowledge
from knowledge.core.errors import CollectionMissing, DocumentMissing
from knowledge.models import (
    CachedEmbedding,
    ChunkTerms,
    ChunkVector,
    Collection,
    Document,
    Posting,
)
from knowledge.services.embeddings import digest_of
from loomsite.access.core.errors import InputInvalid
from tests.factories.agents import make_run, make_workspace, open_fence

pytestmark = pytest.mark.django_db(transaction=True)


def remember(workspace_id, text, **options):
    # By words alone: of two entries, vectors put one first whatever is asked.
    return memories.memory_remember(workspace_id=workspace_id, text=text, **options)


def recalled(workspace_id, query, **options):
    hits = wiring.memory_recall(workspace_id=workspace_id, query=query, **options)
    return [hit.text for hit in hits]


def test_a_turn_is_found_by_what_was_said_before_it():
    workspace_id = make_workspace()
    talk = {"scope": "session", "scope_id": "s", "occasion": "8 May 2023"}
    for text in (
        "Ann: What did you weave at the workshop?",
        "Bo: A scarf, in red.",
        "Ann: Nice. And the weather?",
        "Bo: It rained.",
        "Ann: See you.",
        "Bo: Sure.",
    ):
        remember(workspace_id, text, **talk)

    found = recalled(workspace_id, "weave at the workshop", scope="session", scope_id="s")

    assert found[:2] == ["Ann: What did you weave at the workshop?", "Bo: A scarf, in red."]


def test_an_entry_is_found_by_the_words_of_its_occasion():
    workspace_id = make_workspace()
    remember(workspace_id, "We bought wool.", occasion="8 May 2023")
    remember(workspace_id, "We bought silk.", occasion="9 June 2023")

    assert recalled(workspace_id, "June", limit=1) == ["We bought silk."]


def test_a_newer_fact_closes_an_older_one_and_both_are_kept():
    workspace_id = make_workspace()
    older = remember(workspace_id, "The office is in Berlin.")
    newer = remember(workspace_id, "The office is now in Bonn.")

    found = recalled(workspace_id, "Where is the office?")

    rows = {str(row.pk): row.valid_until for row in MemoryEntry.objects.all()}
    assert found == ["The office is now in Bonn."]
    assert rows[newer] is None
    assert rows[older] is not None


def test_a_fact_of_a_named_topic_closes_only_that_topic_of_its_own_scope():
    mine, other = make_workspace(), make_workspace()
    for workspace_id in (mine, other):
        remember(workspace_id, "tea, please", topic="drink")
    remember(mine, "tea, for Ann", topic="drink", scope="session", scope_id="s")

    remember(mine, "coffee, please", topic="drink")

    assert recalled(mine, "please") == ["coffee, please"]
    assert recalled(mine, "tea", scope="session", scope_id="s") == ["tea, for Ann"]
    assert recalled(other, "please") == ["tea, please"]


def test_what_waits_for_review_closes_nothing_until_it_is_accepted():
    workspace_id = make_workspace()
    remember(workspace_id, "The deadline is Friday.")
    draft = remember(workspace_id, "The deadline is Monday.", review=True)
    before = sorted(recalled(workspace_id, "deadline"))

    memories.memory_review(workspace_id=workspace_id, memory_id=draft, accepted=True)

    assert before == ["The deadline is Friday.", "The deadline is Monday."]
    assert recalled(workspace_id, "deadline") == ["The deadline is Monday."]


def test_a_rejected_or_expired_entry_is_not_recalled_and_an_accepted_one_is_again():
    workspace_id = make_workspace()
    one, two = (remember(workspace_id, f"the loom is {wood}") for wood in ("oak", "pine"))
    memories.memory_review(workspace_id=workspace_id, memory_id=one, accepted=False)
    memories.memory_expire(workspace_id=workspace_id, memory_id=two)
    gone = recalled(workspace_id, "loom")

    memories.memory_review(workspace_id=workspace_id, memory_id=one, accepted=True)

    assert gone == []
    assert recalled(workspace_id, "loom") == ["the loom is oak"]


def test_a_subject_is_exported_and_erased_with_all_that_was_derived():
    workspace_id, other = make_workspace(), make_workspace()
    for owner in (workspace_id, other):
        remember(owner, "Ann lives in Berlin.", subject="ann")
        remember(owner, "Ann lives in Bonn.", subject="ann")
        remember(owner, "Bo weaves.", subject="bo")

    exported = entries.memory_list(workspace_id=workspace_id, subject="ann").results
    count = memories.memories_erase(workspace_id=workspace_id, subject="ann")

    assert [row["text"] for row in exported] == ["Ann lives in Bonn.", "Ann lives in Berlin."]
    assert count == 2
    assert recalled(workspace_id, "Ann Bo") == ["Bo weaves."]
    left = Document.objects.filter(workspace_id=workspace_id)
    numbers = left.values_list("collection_id", flat=True)
    assert [row.text for row in left] == ["Bo weaves."]
    assert ChunkTerms.objects.filter(collection_id__in=numbers).count() == 1
    assert Posting.objects.filter(collection_id__in=numbers).count() == 2
    assert len(recalled(other, "Ann Bo")) == 2


def test_what_was_made_of_an_erased_text_is_not_kept_either():
    workspace_id = make_workspace()
    talk = {"scope": "session", "scope_id": "s"}
    ids = [
        wiring.memory_remember(workspace_id=workspace_id, text=text, subject=subject, **talk)
        for text, subject in (("Hello.", ""), ("Ann is ill.", "ann"), ("Get well.", ""))
    ]
    wiring.memory_edit(workspace_id=workspace_id, memory_id=ids[1], actor="x", text="Ann is well.")
    before = vector_of(ids[2])

    memories.memories_erase(workspace_id=workspace_id, subject="ann")

    kept = {bytes(digest) for digest in CachedEmbedding.objects.values_list("digest", flat=True)}
    assert kept == {digest_of("Hello."), digest_of("Get well.")}
    assert wiring.memories_index() == 1  # the one that was made with the erased text
    assert vector_of(ids[2]) != before
    assert recalled(workspace_id, "well", **talk)[0] == "Get well."


def vector_of(memory_id):
    return list(ChunkVector.objects.get(chunk__document__external_id=memory_id).vector)


def test_a_question_of_ten_thousand_words_is_answered_and_a_longer_one_names_what_is_wrong():
    workspace_id = make_workspace()
    remember(workspace_id, "the loom is oak")
    many = " ".join(f"word{number}" for number in range(10_000))

    assert recalled(workspace_id, f"{many} loom") == ["the loom is oak"]
    with pytest.raises(InputInvalid, match=r"query: .* 200,000"):
        recalled(workspace_id, "loom " * 50_000)


def test_nothing_is_erased_without_a_subject_or_a_scope():
    workspace_id = make_workspace()
    remember(workspace_id, "stays")

    with pytest.raises(InputInvalid):
        memories.memories_erase(workspace_id=workspace_id)

    assert recalled(workspace_id, "stays") == ["stays"]


def test_memories_are_out_of_reach_of_the_doors_of_documents():
    workspace_id = make_workspace()
    remember(workspace_id, "the secret plan")
    slug = Collection.objects.get().slug
    document_id = str(Document.objects.get().pk)

    attempts = [
        lambda: knowledge.search(workspace_id=workspace_id, query="plan", collections=[slug]),
        lambda: knowledge.collection_delete(workspace_id=workspace_id, slug=slug),
        lambda: knowledge.collection_update(workspace_id=workspace_id, slug=slug, name="x"),
        lambda: knowledge.document_text(workspace_id=workspace_id, document_id=document_id),
        lambda: knowledge.document_delete(workspace_id=workspace_id, document_id=document_id),
    ]

    for attempt in attempts:
        with pytest.raises((CollectionMissing, DocumentMissing)):
            attempt()
    assert knowledge.search(workspace_id=workspace_id, query="plan") == []
    assert recalled(workspace_id, "plan") == ["the secret plan"]


async def test_what_a_run_was_given_is_noted_and_fades_when_such_runs_fail():
    from loomsite.access.bridge import db  # noqa: PLC0415 -- beside its only use

    def arrange():
        workspace_id = make_workspace()
        request = make_run(workspace_id)
        remember(workspace_id, "the loom is oak")
        return workspace_id, request

    workspace_id, request = await db(arrange)
    memory = DbMemory(
        workspace_id=workspace_id,
        owner=WORKSPACE,
        readable=(WORKSPACE,),
        provenance={"run_id": request.run_id},
        embed=None,
        fence=open_fence,
    )

    (first,) = await memory.recall("loom")
    (again,) = await memory.recall("loom")

    def fail():
        uses = list(MemoryUse.objects.values_list("memory_id", "run_id"))
        runs = Run.objects.filter(pk=request.run_id)
        runs.update(status="ended", ended_at="2026-11-22T12:00Z", error_code="agents.failed")
        return [(str(memory_id), str(run_id)) for memory_id, run_id in uses]

    uses = await db(fail)
    (after,) = await memory.recall("loom")
    assert uses == [(first.id, request.run_id)]
    assert again.score == pytest.approx(first.score, abs=1e-4)
    assert after.score < first.score - 0.01
