"""What people do to memories, what they look at, and what the runs' scores do to them."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from agents import tasks, wiring
from agents.core.errors import NotFound
from agents.models import MemoryEntry, MemoryRevision, MemoryUse
from agents.selectors import memory_curation as views
from agents.services import memories
from agents.services.memory_uses import memory_uses_settle
from agents.store.memories import WORKSPACE, DbMemory
from knowledge.models import Document
from loomsite.access.bridge import db
from loomsite.access.core.errors import InputInvalid
from tests.factories.access import make_tenant
from tests.factories.agents import make_run, make_workspace, open_fence

pytestmark = pytest.mark.django_db(transaction=True)


def remember(workspace_id, text, **options):
    return wiring.memory_remember(workspace_id=workspace_id, text=text, **options)


def recalled(workspace_id, query, **options):
    hits = wiring.memory_recall(workspace_id=workspace_id, query=query, **options)
    return [hit.text for hit in hits]


def edit(workspace_id, memory_id, **changes):
    wiring.memory_edit(workspace_id=workspace_id, memory_id=memory_id, actor="ada", **changes)


def viewed(workspace_id, view):
    return [row["text"] for row in views.memory_view(workspace_id=workspace_id, view=view)]


def use(workspace_id, memory_id, *outcomes, held_out=False):
    for outcome in outcomes:
        request = make_run(workspace_id)
        MemoryUse.objects.create(
            memory_id=memory_id, run_id=request.run_id, score=0.5, held_out=held_out
        )
        memory_uses_settle(workspace_id=workspace_id, run_id=request.run_id, score=outcome)


def test_an_edited_entry_is_found_by_its_new_words_alone_and_keeps_its_history():
    workspace_id = make_workspace()
    memory_id = remember(workspace_id, "The loom is made of oak.", subject="loom")

    edit(workspace_id, memory_id, text="The tractor burns diesel.", importance=0.9)

    detail = views.memory_detail(workspace_id=workspace_id, memory_id=memory_id)
    (change,) = detail["history"]
    assert recalled(workspace_id, "tractor diesel") == ["The tractor burns diesel."]
    assert Document.objects.get().text == "The tractor burns diesel."
    assert change["actor"] == "ada"
    assert change["before"] == {"text": "The loom is made of oak.", "importance": 0.5}
    edit(workspace_id, memory_id, importance=0.9)
    assert MemoryRevision.objects.count() == 1


def test_an_edit_that_ends_an_entry_takes_it_out_of_recall_and_one_that_reopens_it_puts_it_back():
    workspace_id = make_workspace()
    memory_id = remember(workspace_id, "the loom is oak")

    edit(workspace_id, memory_id, valid_until=timezone.now())
    gone = recalled(workspace_id, "loom")
    edit(workspace_id, memory_id, valid_until=None)

    assert gone == []
    assert recalled(workspace_id, "loom") == ["the loom is oak"]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"text": "  "},
        {"importance": 2},
        {"importance": True},
        {"scope": "agent"},
        {"subject": 7},
        {"valid_until": "tomorrow"},
        {"text": "b\x00d"},
        {"text": "the other"},
    ],
)
def test_an_edit_that_cannot_be_is_refused_and_changes_nothing(changes):
    workspace_id = make_workspace()
    memory_id = remember(workspace_id, "the loom is oak")
    remember(workspace_id, "the other")

    with pytest.raises(InputInvalid):
        edit(workspace_id, memory_id, **changes)

    row = MemoryEntry.objects.get(pk=memory_id)
    assert (row.text, row.importance) == ("the loom is oak", 0.5)
    assert MemoryRevision.objects.count() == 0


def test_merged_entries_are_closed_kept_and_named_by_the_one_in_their_place():
    workspace_id = make_workspace()
    one = remember(workspace_id, "Ann likes tea.", subject="ann", importance=0.4)
    two = remember(workspace_id, "Ann drinks tea, green.", subject="ann", importance=0.8)

    made = wiring.memories_merge(workspace_id=workspace_id, memory_ids=[one, two], actor="ada")

    row = MemoryEntry.objects.get(pk=made)
    assert recalled(workspace_id, "Ann tea") == ["Ann drinks tea, green."]
    assert (row.text, row.importance, row.subject) == ("Ann drinks tea, green.", 0.8, "ann")
    assert row.provenance["merged"] == [one, two]
    assert MemoryEntry.objects.filter(valid_until__isnull=False).count() == 2
    assert {r.before["merged_into"] for r in MemoryRevision.objects.all()} == {made}


def test_entries_of_another_workspace_or_scope_are_not_merged():
    mine, other = make_workspace(), make_workspace()
    one = remember(mine, "tea")
    foreign = remember(other, "coffee")
    spoken = remember(mine, "milk", scope="session", scope_id="s")

    with pytest.raises(NotFound):
        wiring.memories_merge(workspace_id=mine, memory_ids=[one, foreign])
    for ids in ([one, spoken], [one], [one, one]):
        with pytest.raises(InputInvalid):
            wiring.memories_merge(workspace_id=mine, memory_ids=ids)
    assert MemoryEntry.objects.filter(valid_until__isnull=False).count() == 0


def test_views_show_what_a_curator_looks_for_and_only_of_the_workspace():
    mine, other = make_workspace(), make_workspace()
    remember(other, "foreign", topic="t")
    remember(other, "foreign too", topic="t", review=True)
    poor = remember(mine, "poor advice")
    good = remember(mine, "good advice")
    use(mine, poor, 0.0, 0.1, 0.2)
    use(mine, good, 1.0, 0.9, 0.9, 1.0)
    remember(mine, "never used")
    remember(mine, "tea", topic="drink")
    remember(mine, "coffee", topic="drink", review=True)
    ended = remember(mine, "old news")
    memories.memory_expire(workspace_id=mine, memory_id=ended)

    assert viewed(mine, "new") == ["coffee", "tea", "never used", "good advice", "poor advice"]
    assert viewed(mine, "unused") == ["never used", "tea", "coffee"]
    assert viewed(mine, "contradicting") == ["coffee", "tea"]
    assert viewed(mine, "most_used") == ["good advice", "poor advice"]
    assert viewed(mine, "pending") == ["coffee"]
    assert viewed(mine, "fading") == ["poor advice"]
    assert viewed(mine, "expired") == ["old news"]
    with pytest.raises(InputInvalid):
        viewed(mine, "odd")


def test_memories_whose_runs_did_badly_sink_below_those_whose_runs_did_well():
    workspace_id = make_workspace()
    words = ("oil", "wool", "silk")
    ids = {f"the loom needs {w}": remember(workspace_id, f"the loom needs {w}") for w in words}
    before = recalled(workspace_id, "what the loom needs")
    use(workspace_id, ids[before[0]], *[0.0] * 6)
    for text in before[1:]:
        use(workspace_id, ids[text], *[1.0] * 6)

    after = recalled(workspace_id, "what the loom needs")

    assert after == [*before[1:], before[0]]


def test_a_later_evaluation_replaces_an_earlier_one_and_a_foreign_one_does_nothing():
    mine, other = make_workspace(), make_workspace()
    request = make_run(mine)
    MemoryUse.objects.create(memory_id=remember(mine, "oak"), run_id=request.run_id, score=0.5)

    for workspace_id, score in ((mine, 0.2), (mine, 0.9), (other, 0.0)):
        memory_uses_settle(workspace_id=workspace_id, run_id=request.run_id, score=score)

    assert MemoryUse.objects.get().outcome == 0.9


async def test_a_run_held_out_recalls_nothing_and_what_it_missed_is_noted():
    def arrange():
        workspace_id = make_workspace()
        remember(workspace_id, "the loom is oak")
        return workspace_id, make_run(workspace_id), make_run(workspace_id)

    workspace_id, out, given = await db(arrange)
    found = {}
    for request, held_out in ((out, True), (given, False)):
        memory = DbMemory(
            workspace_id=workspace_id,
            owner=WORKSPACE,
            readable=(WORKSPACE,),
            provenance={"run_id": request.run_id},
            embed=None,
            fence=open_fence,
            held_out=held_out,
        )
        found[held_out] = [hit.text for hit in await memory.recall("loom")]

    def settle():
        for request, score in ((out, 0.25), (given, 0.75)):
            memory_uses_settle(workspace_id=workspace_id, run_id=request.run_id, score=score)
        return list(MemoryUse.objects.order_by("outcome").values_list("outcome", "held_out"))

    outcomes = await db(settle)
    assert found == {True: [], False: ["the loom is oak"]}
    assert outcomes == [(0.25, True), (0.75, False)]


async def test_what_found_no_room_in_the_window_is_not_noted_as_given():
    def arrange():
        workspace_id = make_workspace()
        ids = [remember(workspace_id, f"the loom is {wood}") for wood in ("oak", "pine")]
        return workspace_id, make_run(workspace_id), ids

    workspace_id, request, ids = await db(arrange)
    memory = DbMemory(
        workspace_id=workspace_id,
        owner=WORKSPACE,
        readable=(WORKSPACE,),
        provenance={"run_id": request.run_id},
        embed=None,
        fence=open_fence,
    )

    hits = await memory.recall("loom", given=False)
    nothing = await db(MemoryUse.objects.count)
    await memory.give({hits[0].id: hits[0].score})

    used = await db(lambda: [str(pk) for pk in MemoryUse.objects.values_list("memory", flat=True)])
    assert len(hits) == len(ids)
    assert nothing == 0
    assert used == [hits[0].id]


def test_the_export_of_a_subject_holds_history_and_uses_and_nothing_foreign(capsys):
    tenant, other = make_tenant(), make_tenant()
    memory_id = remember(tenant.workspace_id, "Ann lives in Bonn.", subject="ann")
    edit(tenant.workspace_id, memory_id, text="Ann lives in Berlin.")
    use(tenant.workspace_id, memory_id, 0.75)
    remember(tenant.workspace_id, "Bo spins.", subject="bo")
    remember(other.workspace_id, "Ann, another one.", subject="ann")

    exported = views.memories_export(workspace_id=tenant.workspace_id, subject="ann")
    call_command("memories", "erase", "--subject", "ann", "--workspace", tenant.slug, "--json")

    (entry,) = exported["memories"]
    assert entry["text"] == "Ann lives in Berlin."
    assert [item["before"]["text"] for item in entry["history"]] == ["Ann lives in Bonn."]
    assert [item["outcome"] for item in entry["uses"]] == [0.75]
    assert capsys.readouterr().out.strip() == '{"subject": "ann", "erased": 1}'
    assert MemoryRevision.objects.count() == MemoryUse.objects.count() == 0
    assert MemoryEntry.objects.count() == 2
    with pytest.raises(InputInvalid):
        views.memories_export(workspace_id=tenant.workspace_id, subject="")


def test_entries_from_before_the_index_are_made_findable_by_the_job_once():
    workspace_id = make_workspace()
    digest = "0" * 64
    for number in range(3):
        MemoryEntry.objects.create(
            workspace_id=workspace_id,
            text=f"the loom of {number}",
            text_sha256=f"{number}{digest[1:]}",
            valid_from=timezone.now() - timedelta(days=1),
            indexed=False,
        )
    before = recalled(workspace_id, "loom")

    tasks.memories_index_job()
    tasks.memories_index_job()

    assert before == []
    assert sorted(recalled(workspace_id, "loom")) == [f"the loom of {n}" for n in range(3)]
    assert Document.objects.count() == 3
    assert not MemoryEntry.objects.filter(indexed=False).exists()


def test_the_command_exports_a_subject(capsys):
    tenant = make_tenant()
    remember(tenant.workspace_id, "Ann weaves.", subject="ann")

    call_command("memories", "export", "--subject", "ann", "--workspace", tenant.slug, "--json")

    assert "Ann weaves." in capsys.readouterr().out
