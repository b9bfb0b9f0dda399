"""The commands that are doors: what they print, and how they end."""

import json
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from django.core.management import (
    CommandError,
    call_command,
)
from django.db import connections

from cluster.core.types import CitedSpan
from cluster.models import Task
from cluster.selectors.tasks import task_detail
from loomsite.access import services
from loomsite.access.models import ApiKey, Workspace
from tests.factories.access import make_key, make_tenant
from tests.factories.cluster import FakeWorld, answered, asks, failed, work
from tests.processes import poll
from tests.requirements import requirement

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def running(service_urls, monkeypatch):
    """Let the command see a stack: its services are named by the environment."""
    monkeypatch.setenv("DATABASE_URL", service_urls.database_url)


@requirement("commands.exit_codes")
@pytest.mark.parametrize(
    "arguments",
    [[""], ["  "], ["x" * 100_001], ["\x1b[2J"],
     ["x", "--timeout", "-1"], ["x", "--timeout", "nan"], ["x", "--budget-usd", "much"],
     ["x", "--budget-usd", "-1"], ["x", "--agent", "nobody"]],
)  # fmt: skip
def test_submit_of_what_makes_no_sense_is_a_usage_error(arguments):
    make_tenant("default")

    with pytest.raises(CommandError) as caught:
        call_command("submit", *arguments)

    assert caught.value.returncode == 2
    assert Task.objects.count() == 0


def test_submit_without_waiting_prints_the_tasks_id(capsys):
    tenant = make_tenant("default")

    call_command("submit", "Name the moons of Mars.")

    task = task_detail(workspace_id=tenant.workspace_id, task_id=capsys.readouterr().out.strip())
    assert (task["goal"], task["status"]) == ("Name the moons of Mars.", "queued")


@requirement("commands.submit", "http.task_object")
def test_submit_prints_the_task_object_as_json(capsys):
    tenant = make_tenant("default")

    call_command("submit", "Name the moons of Mars.", "--json", "--budget-usd", "0.5")

    task = json.loads(capsys.readouterr().out)
    assert task == task_detail(workspace_id=tenant.workspace_id, task_id=task["id"])


@requirement("commands.json")
def test_mcp_tells_what_it_serves_as_one_object(capsys):
    make_tenant("default")

    call_command("mcp", "--json")

    served = json.loads(capsys.readouterr().out)
    assert {"submit_task", "get_task", "recall", "schedule_task"} <= set(served["tools"])
    assert {"task://{id}", "cluster://status"} <= set(served["resources"])
    assert served["prompts"] == ["delegate", "research", "review_task", "triage_failures"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("world", "code", "status"),
    [
        (FakeWorld(), 0, "succeeded"),
        (FakeWorld(run=lambda _view, _step: failed("no idea")), 1, "failed"),
        (FakeWorld(run=asks), 3, "input_required"),
    ],
)
@requirement("commands.exit_codes")
def test_submit_that_waits_ends_as_the_task_does(world, code, status, capsys):
    make_tenant("default")
    with ThreadPoolExecutor(1) as worker:
        working = worker.submit(_worked_on, world)

        with pytest.raises(SystemExit) as caught:
            call_command("submit", "x", "--wait", "--timeout", "60", "--json")

        working.result(60)
    assert caught.value.code == code
    assert json.loads(capsys.readouterr().out)["status"] == status


@pytest.mark.django_db(transaction=True)
def test_submit_that_waits_shows_the_phases_the_answer_and_what_it_cites(capsys):
    make_tenant("default")
    where = {"document_id": str(uuid4()), "chunk_id": str(uuid4())}
    cited = CitedSpan(**where, start=7, end=20, quote="Two moons.")
    answer = "\x1b]0;owned\x07Two moons. [1]"  # a model may write what a terminal would obey
    world = FakeWorld(run=lambda _view, _step: answered(answer, citations=(cited,)))
    with ThreadPoolExecutor(1) as worker:
        working = worker.submit(_worked_on, world)

        with pytest.raises(SystemExit):
            call_command("submit", "[bold]x", "--wait", "--timeout", "60")

        working.result(60)
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err
    assert said.out.splitlines()[0] == "]0;ownedTwo moons. [1]"
    assert "characters 7 to 20: Two moons." in said.out
    phases = [line.split()[1] for line in said.err.splitlines() if line.startswith("task ")]
    told = [name for name in phases if name.isupper()]
    assert sorted(set(told), key=told.index) == [
        "SENSE", "MATCH", "SCALE", "EXECUTE", "EVALUATE", "ADAPT",
    ]  # fmt: skip
    assert "succeeded, not scored" in said.err


def _worked_on(world):
    """Drive the first task there is, as a worker would."""
    try:
        poll(lambda: work(world) > 0, timeout_s=60)
    finally:
        connections.close_all()


def test_submit_with_a_key_goes_to_its_workspace(settings, capsys):
    make_tenant("default")
    settings.LOOM_API_KEY = make_tenant("lab").key

    call_command("submit", "x", "--json")

    assert json.loads(capsys.readouterr().out)["workspace"] == "lab"


@pytest.mark.parametrize(
    ("key", "said"), [("nonsense", "LOOM_API_KEY"), ("tasks:read", "tasks:write")]
)
def test_submit_with_a_key_that_does_not_open_it_says_so(settings, key, said):
    tenant = make_tenant("default")
    settings.LOOM_API_KEY = make_key(tenant.slug, [key]) if ":" in key else key

    with pytest.raises(CommandError, match=said) as caught:
        call_command("submit", "x")

    assert (caught.value.returncode, Task.objects.count()) == (1, 0)


def test_submit_to_a_workspace_that_is_not_there_says_so():
    with pytest.raises(CommandError, match="'none'") as caught:
        call_command("submit", "x", "--workspace", "none")

    assert caught.value.returncode == 1


@requirement("commands.apikey_create", "commands.workspace_create")
def test_a_new_key_is_alone_on_stdout_and_opens_its_workspace(capsys):
    call_command("workspace_create", "lab", "--json")
    workspace = json.loads(capsys.readouterr().out)
    call_command(
        "apikey_create", "--workspace", "lab", "--user", "grace",
        "--scope", "tasks:read", "--scope", "tasks:write", "--expires-days", "7",
    )  # fmt: skip

    principal = services.apikey_authenticate(capsys.readouterr().out.removesuffix("\n"))

    assert principal is not None
    assert principal.workspace_id == workspace["id"]
    assert principal.scopes == {"tasks:read", "tasks:write"}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["workspace_create", "No Slug"], 2), (["workspace_create", "default"], 1),
     (["apikey_create", "--workspace", "none", "--user", "a", "--scope", "admin"], 1),
     (["apikey_create", "--workspace", "default", "--user", "a", "--scope", "no"], 2),
     (["apikey_create", "--workspace", "default", "--user", "a b", "--scope", "admin"], 2),
     (["apikey_create", "--workspace", "default", "--user", "a", "--scope", "admin",
       "--expires-days", "0"], 2)],
)  # fmt: skip
def test_what_makes_no_sense_is_told_in_a_sentence_and_writes_nothing(arguments, code):
    services.workspace_create(slug="default")

    with pytest.raises(CommandError) as caught:
        call_command(*arguments)

    assert caught.value.returncode == code
    assert (Workspace.objects.count(), ApiKey.objects.count()) == (1, 0)
