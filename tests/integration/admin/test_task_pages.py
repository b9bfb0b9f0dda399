"""The task's page in parts, its list's filters and exports, and what people do to several tasks."""

import csv
import io
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.html import conditional_escape

from agents.models import Artifact, Run, Step, ToolEffect
from cluster.admin.task_parts import PARTS, auction_shown, window_shown
from cluster.models import Event, Task
from knowledge.models import Document
from loomsite.access.models import AuditEntry, SavedFilter, Workspace
from tests.integration.admin.seeding import EVIL, Seeds, member, person, signed_in

pytestmark = pytest.mark.django_db

MOST_QUERIES = 15
_NAMES = [part.name for part in PARTS]


@pytest.fixture
def seeds() -> Seeds:
    made = Seeds("alpha")
    made.more()
    return made


@pytest.fixture
def home(seeds: Seeds) -> Workspace:
    return seeds.workspace


def _list() -> str:
    return reverse("admin:cluster_task_changelist")


def _part(task, name: str, query: str = "") -> str:
    return reverse("admin:cluster_task_part", args=[task.pk, name]) + query


def _run_of(seeds: Seeds) -> Run:
    return seeds.rows[Run][0]


def _lengthen(run: Run, steps: int) -> None:
    """Give a run as many steps, each with a call of a tool."""
    Step.objects.bulk_create(
        Step(
            workspace_id=run.workspace_id, run=run, index=number, finish_reason="tool_calls",
            message={"content": f"thought {number}"}, latency_ms=5, prompt_tokens=10 * number,
            report={"context": [{"source": "memory", "tokens": 4, "left_out": 2, "why": EVIL}]},
        )
        for number in range(1, steps)
    )  # fmt: skip
    ToolEffect.objects.bulk_create(
        ToolEffect(
            workspace_id=run.workspace_id, run=run, key=f"c{number}", step=number,
            tool="calculator", state="done", begun_at=timezone.now(), result=f"result {number}",
        )
        for number in range(1, steps)
    )  # fmt: skip
    Run.objects.filter(pk=run.pk).update(step_count=steps)


@pytest.mark.parametrize("name", [name for name in _NAMES if name != "step"])
def test_each_part_costs_the_same_for_a_long_run_and_runs_no_script(name, client, seeds) -> None:
    url = _part(seeds.task, name)
    client.get(url)

    with CaptureQueriesContext(connection) as short:
        first = client.get(url)
    _lengthen(_run_of(seeds), 250)
    with CaptureQueriesContext(connection) as long:
        second = client.get(url)

    assert first.status_code == second.status_code == 200
    assert len(short) == len(long) <= MOST_QUERIES
    assert EVIL not in first.content.decode() + second.content.decode()


def test_a_long_trace_is_read_in_pages_and_a_step_when_it_is_opened(client, seeds) -> None:
    run = _run_of(seeds)
    _lengthen(run, 250)

    first = client.get(_part(seeds.task, "trace")).content.decode()
    later = client.get(_part(seeds.task, "trace", "?start=200")).content.decode()
    step = client.get(_part(seeds.task, "step", f"?run={run.pk}&step=3")).content.decode()
    missing = client.get(_part(seeds.task, "step", f"?run={run.pk}&step=999"))

    assert (first.count('class="lm-step"'), later.count('class="lm-step"')) == (100, 50)
    assert "thought" not in first + later
    assert "thought 3" in step
    assert "result 3" in step
    assert missing.status_code == 404


def test_the_window_says_what_filled_it_and_what_was_left_out(client, seeds) -> None:
    _lengthen(_run_of(seeds), 40)

    last = client.get(_part(seeds.task, "window")).content.decode()
    tenth = client.get(_part(seeds.task, "window", "?step=10")).content.decode()

    assert "memory" in last
    assert "2</b> pieces left out" in last
    assert "Step <b>39</b> of 39" in last
    assert "Step <b>10</b> of 39" in tenth
    assert "<b>100</b> tokens sent" in tenth


@pytest.mark.parametrize("query", ["?start=-1", "?start=x", "?start=99999999999", "?run=x&step=y"])
def test_a_part_asked_for_nonsense_answers(query, client, seeds) -> None:
    answers = [client.get(_part(seeds.task, name, query)).status_code for name in _NAMES]

    assert set(answers) <= {200, 404}


def test_parts_of_another_workspaces_task_are_missing(client) -> None:
    theirs = Seeds("theirs")
    theirs.more()

    answers = {client.get(_part(theirs.task, name)).status_code for name in _NAMES}

    assert answers == {404}


def test_another_tasks_run_is_not_shown_on_this_page(client, seeds) -> None:
    mine = seeds.task
    seeds.more()
    other = seeds.rows[Run][1]

    answer = client.get(_part(mine, "step", f"?run={other.pk}&step=0"))

    assert answer.status_code == 404


def test_a_task_whose_related_rows_are_gone_still_opens(client, seeds) -> None:
    task = seeds.task
    Artifact.objects.all().delete()
    Run.objects.filter(task_id=task.pk).delete()
    Event.objects.filter(task=task).delete()
    Task.objects.filter(pk=task.pk).update(agent=None, schedule=None, citations=[{}])

    page = client.get(reverse("admin:cluster_task_change", args=[task.pk]))
    parts = {client.get(_part(task, name)).status_code for name in _NAMES if name != "step"}

    assert page.status_code == 200
    assert parts == {200}


def test_an_answer_is_rendered_and_cites_documents_by_their_titles(client, seeds) -> None:
    document = seeds.rows[Document][0]
    cited = {"document_id": str(document.pk), "chunk_id": "1", "start": 3, "end": 9, "quote": "so"}
    gone = cited | {"document_id": str(uuid.uuid4())}
    answer = "## Found\n\n- <script>alert(1)</script> [1]"
    Task.objects.filter(pk=seeds.task.pk).update(answer=answer, citations=[cited, gone])

    page = client.get(reverse("admin:cluster_task_change", args=[seeds.task.pk])).content.decode()

    assert "<h2>Found</h2>" in page
    assert "&lt;script&gt;alert(1)" in page
    assert reverse("admin:knowledge_document_change", args=[document.pk]) in page
    assert conditional_escape(document.title) in page
    assert page.count("a document that is gone") == 1


def test_an_auction_is_shown_with_its_filters_in_words_and_the_winner_marked() -> None:
    bid = {"agent": "a"}

    shown = auction_shown({"excluded": {"no_tool": 2}, "winner": "a", "bids": [bid]})

    assert shown["excluded"] == {"no tool": 2}
    (line,) = shown["bids"]
    assert line["won"]


def test_a_window_without_a_report_is_all_turns() -> None:
    from agents.selectors.traces import Window  # noqa: PLC0415 -- one value of it

    window = Window(index=0, prompt_tokens=50, sources=(), growth=((0, 50),), last=0)

    (rest,) = window_shown(window)["sources"]

    assert (rest["tokens"], rest["share"]) == (50, "100.0")


def test_a_filter_is_saved_for_the_person_alone_and_forgotten(client, seeds) -> None:
    save = reverse("admin:cluster_task_filter_save")
    other = signed_in(member(seeds.workspace.pk, "viewer", "vera"))

    client.post(save, {"name": EVIL, "query": "status__exact=failed&p=3&q=a b"})
    (row,) = SavedFilter.objects.all()
    mine = client.get(f"{_list()}?q=a+b&status__exact=failed").content.decode()
    theirs = other.get(_list()).content.decode()
    foreign = other.post(reverse("admin:cluster_task_filter_forget", args=[row.pk]))
    kept = SavedFilter.objects.count()
    client.post(reverse("admin:cluster_task_filter_forget", args=[row.pk]))

    assert row.query == "q=a+b&status__exact=failed"
    assert "&lt;script&gt;" in mine
    assert EVIL not in mine
    assert "&lt;script&gt;alert" not in theirs.partition("lm-saved")[2][:2000]
    assert foreign.status_code == 302
    assert kept == 1
    assert not SavedFilter.objects.exists()


@pytest.mark.parametrize(
    ("name", "query"), [("", "a=1"), ("x" * 61, "a=1"), ("x", ""), ("x", "q=" + "y" * 2000)]
)
def test_a_filter_without_name_or_content_is_not_saved(name, query, client) -> None:
    answer = client.post(
        reverse("admin:cluster_task_filter_save"), {"name": name, "query": query}, follow=True
    )

    assert answer.status_code == 200
    assert not SavedFilter.objects.exists()


def test_an_export_holds_own_rows_alone_and_no_formula(client, seeds) -> None:
    theirs = Seeds("theirs")
    theirs.more()
    Task.objects.filter(pk=seeds.task.pk).update(goal="=HYPERLINK(0)")
    chosen = [seeds.task.pk, theirs.task.pk]

    answer = client.post(_list(), {"action": "export_tasks", "_selected_action": chosen})
    lines = list(csv.DictReader(io.StringIO(answer.content.decode())))

    assert answer["Content-Type"].startswith("text/csv")
    assert [(line["id"], line["goal"]) for line in lines] == [
        (str(seeds.task.pk), "'=HYPERLINK(0)")
    ]


def test_a_viewer_may_export_and_not_cancel(seeds) -> None:
    viewer = signed_in(member(seeds.workspace.pk, "viewer"))
    chosen = {"_selected_action": [seeds.task.pk], "confirmed": "yes", "reason": "x"}

    exported = viewer.post(_list(), {**chosen, "action": "export_tasks"})
    viewer.post(_list(), {**chosen, "action": "cancel_tasks"})

    assert exported["Content-Type"].startswith("text/csv")
    assert not AuditEntry.objects.filter(action="task.cancel").exists()


def test_a_bulk_action_asks_why_and_does_nothing_before(client, seeds) -> None:
    Task.objects.filter(pk=seeds.task.pk).update(
        status="queued", outcome=None, finished_at=None, due_at=timezone.now()
    )
    chosen = {"action": "cancel_tasks", "_selected_action": [seeds.task.pk]}

    asked = client.post(_list(), chosen).content.decode()
    again = client.post(_list(), {**chosen, "confirmed": "yes", "reason": "  "}).content.decode()
    before = Task.objects.get(pk=seeds.task.pk).status
    client.post(_list(), {**chosen, "confirmed": "yes", "reason": "too dear"})

    assert "Cancel 1 of 1 selected" in asked
    assert "Cancel 1 of 1 selected" in again
    assert before == "queued"
    assert Task.objects.get(pk=seeds.task.pk).status == "cancelled"
    assert AuditEntry.objects.get(action="task.cancel").reason == "too dear"


def test_a_form_sent_twice_does_its_work_once(client, seeds) -> None:
    url = reverse("admin:cluster_task_do", args=[seeds.task.pk, "feedback"])
    Task.objects.filter(pk=seeds.task.pk).update(status="failed", outcome="failed")
    retry = reverse("admin:cluster_task_do", args=[seeds.task.pk, "retry"])

    first = client.post(retry, {"_once": "token-1"}, follow=True)
    Task.objects.filter(pk=seeds.task.pk).update(
        status="failed", outcome="failed", finished_at=timezone.now(), due_at=None
    )
    second = client.post(retry, {"_once": "token-1"}, follow=True)

    assert "one more cycle" in first.content.decode()
    assert "was done when you sent it before" in second.content.decode()
    assert AuditEntry.objects.filter(action="task.retry").count() == 1
    assert url  # the page has the form of feedback too


def test_a_deletion_without_a_reason_does_not_happen(seeds) -> None:
    owner = signed_in(person("root", is_superuser=True))
    row = seeds.rows[type(seeds.workspace.memberships.first())][0]
    url = reverse("admin:access_membership_delete", args=[row.pk])

    owner.post(url, {"post": "yes"})
    kept = type(row).objects.filter(pk=row.pk).exists()
    owner.post(url, {"post": "yes", "reason": "left the company"})

    assert kept
    assert not type(row).objects.filter(pk=row.pk).exists()
    assert AuditEntry.objects.get(action="membership.delete").reason == "left the company"


def test_the_lists_filters_find_what_they_say(client, seeds) -> None:
    now = timezone.now()
    rows = {
        "queued": {"due_at": now}, "failed": {"outcome": "over_budget", "finished_at": now},
        "running": {"phase": "execute", "lease_until": now + timedelta(hours=1)},
    }  # fmt: skip
    made = {
        status: Task.objects.create(
            workspace=seeds.workspace, goal=status, status=status, **values
        ).pk
        for status, values in rows.items()
    }

    def found(query: str) -> set:
        return {row.pk for row in client.get(f"{_list()}?{query}").context["cl"].result_list}

    assert found("status__exact=failed") == {made["failed"]}
    assert found("status__exact=running") == {made["running"]}
    assert found("outcome__exact=over_budget") == {made["failed"]}
    assert found("outcome__exact=succeeded") == {seeds.task.pk}
    assert found("phase__exact=execute") == {made["running"]}
