"""What operators write: checked before, versioned, once, and only in their own workspace."""

import asyncio
import logging
import uuid
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from agents import wiring
from agents.assembly.secrets import SecretBox
from agents.core.errors import (
    AlreadyAnswered,
    EndpointUnusable,
    NotFound,
    ReadOnly,
    SlugTaken,
)
from agents.models import AgentVersion, Endpoint
from agents.selectors import catalogue, memories, runs
from agents.selectors import tools as tool_selectors
from agents.services.agents import BUILTIN_TOOLS, agent_create, agent_retire, agent_update
from agents.services.approvals import approval_answer, approval_open, approvals_close
from agents.services.catalogue import (
    budget_delete,
    budget_set,
    scene_create,
    scene_update,
    tool_update,
    tools_sync,
)
from agents.services.endpoints import endpoint_delete, endpoint_update
from agents.services.mcp_connections import mcp_connection_delete
from agents.services.memories import memory_erase, memory_remember, memory_review
from loomsite.access.core.errors import InputInvalid
from loomsite.access.models import AuditEntry
from tests.factories.agents import make_agent, make_run, make_workspace
from tests.requirements import requirement

pytestmark = pytest.mark.django_db
SECRET = "sk-live-0123456789"


def open_approval(request, **fields):
    values = {
        "workspace_id": request.workspace_id,
        "task_id": request.task_id,
        "run_id": request.run_id,
        "key": "k",
        "kind": "approval",
        "question": "May it?",
        "options": ("approve", "deny"),
    }
    return approval_open(**values | fields)


# ---------------------------------------------------------------- agents


def test_a_new_agent_has_its_first_version():
    workspace_id = make_workspace()

    agent_id = agent_create(
        workspace_id=workspace_id,
        slug="reader",
        name="Reader",
        budget_usd=Decimal("0.50"),
        tools=["search_knowledge"],
        by="ada",
    )

    version = AgentVersion.objects.get(agent_id=agent_id)
    assert (version.number, version.created_by) == (1, "ada")
    assert version.spec == {
        "slug": "reader",
        "name": "Reader",
        "description": "",
        "instructions": "",
        "endpoint_id": None,
        "model": "",
        "tools": ["search_knowledge"],
        "scenes": [],
        "skills": [],
        "collections": [],
        "domains": [],
        "max_steps": 20,
        "timeout_s": 600,
        "max_tokens": None,
        "budget_usd": "0.5",
        "temperature": None,
        "answer_language": "",
        "filter_patterns": [],
        "audit": False,
    }


def test_a_change_of_what_an_agent_is_makes_a_version_and_other_changes_none():
    workspace_id = make_workspace()
    agent_id = make_agent(workspace_id, instructions="a")

    numbers = [
        agent_update(workspace_id=workspace_id, agent_id=agent_id, **changes)
        for changes in (
            {"instructions": "b"},
            {"instructions": "b"},
            {"published": True},
            {"max_steps": 3},
        )
    ]

    assert numbers == [2, 2, 2, 3]
    assert [v.spec["instructions"] for v in AgentVersion.objects.order_by("number")] == [
        "a",
        "b",
        "b",
    ]


def test_a_version_never_changes():
    make_agent(make_workspace())

    with pytest.raises(IntegrityError, match="never changes"), transaction.atomic():
        AgentVersion.objects.update(number=7)


def test_a_retired_agent_leaves_the_list_and_stays_readable():
    workspace_id = make_workspace()
    agent_id = make_agent(workspace_id, published=True)
    kept = make_agent(workspace_id)

    for _ in range(2):
        agent_retire(workspace_id=workspace_id, agent_id=agent_id)

    listed = catalogue.agent_list(workspace_id=workspace_id).results
    gone = catalogue.agent_detail(workspace_id=workspace_id, agent=agent_id)
    assert [line.id for line in listed] == [kept]
    assert (gone.enabled, gone.published, gone.retired_at is None) == (False, False, False)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"slug": "Not A Slug"}, "slug"),
        ({"slug": ""}, "slug"),
        ({"name": "  "}, "name"),
        ({"instructions": "a\x00b"}, "instructions"),
        ({"instructions": "\ud800"}, "instructions"),
        ({"description": 7}, "description"),
        ({"tools": "calculator"}, "tools"),
        ({"tools": ["a", "a"]}, "tools"),
        ({"tools": [""]}, "tools"),
        ({"max_steps": 0}, "max_steps"),
        ({"max_steps": True}, "max_steps"),
        ({"timeout_s": 10**12}, "timeout_s"),
        ({"budget_usd": Decimal(-1)}, "budget_usd"),
        ({"budget_usd": Decimal("NaN")}, "budget_usd"),
        ({"temperature": 3.0}, "temperature"),
        ({"scenes": ["nowhere"]}, "scenes"),
        ({"tools": ["telepathy"]}, "tools"),
    ],
)
def test_an_agent_that_cannot_be_is_refused_by_field(fields, field):
    workspace_id = make_workspace()

    with pytest.raises(InputInvalid) as refused:
        agent_create(workspace_id=workspace_id, **{"slug": "a", "name": "A"} | fields)

    assert [error.field for error in refused.value.errors] == [field]
    assert catalogue.agent_list(workspace_id=workspace_id).results == []


def test_a_slug_is_taken_once_per_workspace():
    workspace_id, other = make_workspace(), make_workspace()
    agent_create(workspace_id=workspace_id, slug="a", name="A")
    agent_create(workspace_id=other, slug="a", name="A")
    second = agent_create(workspace_id=workspace_id, slug="b", name="B")

    with pytest.raises(SlugTaken):
        agent_create(workspace_id=workspace_id, slug="a", name="A")
    with pytest.raises(SlugTaken):
        agent_update(workspace_id=workspace_id, agent_id=second, slug="a")


def test_lists_are_pages():
    workspace_id = make_workspace()
    for slug in ("c", "a", "b"):
        agent_create(workspace_id=workspace_id, slug=slug, name=slug)

    first = catalogue.agent_list(workspace_id=workspace_id, limit=2)
    second = catalogue.agent_list(workspace_id=workspace_id, limit=2, cursor=first.next_cursor)

    assert [line.slug for line in first.results] == ["a", "b"]
    assert [line.slug for line in second.results] == ["c"]
    assert second.next_cursor is None


@pytest.mark.parametrize("count", [1, 3])
def test_lists_cost_the_same_for_one_row_and_for_many(count, django_assert_num_queries):
    workspace_id = make_workspace()
    for number in range(count):
        make_agent(workspace_id)
        wiring.endpoint_create(
            workspace_id=workspace_id, slug=f"e{number}", base_url="https://example.org/v1"
        )
        scene_create(workspace_id=workspace_id, slug=f"s{number}")
        budget_set(
            workspace_id=workspace_id, scope="user", scope_id=str(number), limit_usd=Decimal(1)
        )
        open_approval(make_run(workspace_id), key=str(number))

    with django_assert_num_queries(6):
        catalogue.agent_list(workspace_id=workspace_id)
        catalogue.endpoint_list(workspace_id=workspace_id)
        catalogue.scene_list(workspace_id=workspace_id)
        catalogue.budget_list(workspace_id=workspace_id)
        runs.approval_list(workspace_id=workspace_id)


# ---------------------------------------------------------------- endpoints and secrets


def endpoint(workspace_id, **fields):
    values = {"slug": "vendor", "base_url": "https://example.org/v1/", "secret": SECRET}
    return wiring.endpoint_create(workspace_id=workspace_id, **values | fields)


def test_a_secret_is_sealed_at_rest_and_shown_nowhere(caplog):
    workspace_id = make_workspace()

    with caplog.at_level(logging.DEBUG):
        endpoint_id = endpoint(workspace_id)
        view = catalogue.endpoint_detail(workspace_id=workspace_id, endpoint_id=endpoint_id)

    row = Endpoint.objects.get(pk=endpoint_id)
    shown = f"{row!r} {row} {view!r} {wiring._parts()!r} {caplog.text}"
    assert SECRET not in row.secret
    assert SECRET not in shown
    assert view.has_secret is True
    assert row.base_url == "https://example.org/v1"
    assert wiring._parts().box.open(row.secret) == SECRET


@requirement("secrets.references")
def test_a_reference_is_kept_as_it_is_and_resolved_when_it_is_needed():
    box = SecretBox("a" * 43 + "=", {"LOOM_SECRET_VENDOR": "from-there"})

    stored = box.seal("env:LOOM_SECRET_VENDOR")

    assert stored == "env:LOOM_SECRET_VENDOR"
    assert box.open(stored) == "from-there"


@pytest.mark.parametrize(
    "reference", ["env:PATH", "env:LOOM_SECRETS_KEY", "env:SECRET_KEY", "env:LOOM_SECRET_A B"]
)
@requirement("secrets.references")
def test_a_reference_to_any_other_variable_is_refused(reference):
    box = SecretBox("a" * 43 + "=", {"PATH": "x", "LOOM_SECRETS_KEY": "x"})

    with pytest.raises(InputInvalid):
        box.seal(reference)
    with pytest.raises(EndpointUnusable):
        box.open(reference)


def test_a_secret_under_another_key_is_unreadable_and_says_so():
    sealed = SecretBox("a" * 43 + "=", {}).seal(SECRET)

    with pytest.raises(EndpointUnusable, match="LOOM_SECRETS_KEY") as refused:
        SecretBox("b" * 42 + "A=", {}).open(sealed)

    assert SECRET not in str(refused.value)


def test_a_new_address_does_not_inherit_the_secret():
    workspace_id = make_workspace()
    endpoint_id = endpoint(workspace_id)

    with pytest.raises(InputInvalid, match="give the secret again"):
        wiring.endpoint_update(
            workspace_id=workspace_id, endpoint_id=endpoint_id, base_url="https://evil.example/v1"
        )
    wiring.endpoint_update(
        workspace_id=workspace_id,
        endpoint_id=endpoint_id,
        base_url="https://example.com/v1",
        secret="another",
    )

    row = Endpoint.objects.get(pk=endpoint_id)
    assert row.base_url == "https://example.com/v1"
    assert wiring._parts().box.open(row.secret) == "another"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"base_url": "ftp://example.org"}, "base_url"),
        ({"base_url": "https://user:pw@example.org"}, "base_url"),
        ({"base_url": "nonsense"}, "base_url"),
        ({"slug": "environment"}, "slug"),
        ({"profile": {"telepathy": True}}, "profile"),
        ({"profile": {"tools": "yes"}}, "profile"),
        ({"usd_per_million_prompt": Decimal(-1)}, "usd_per_million_prompt"),
        ({"secret": "two\nlines"}, "secret"),
    ],
)
def test_an_endpoint_that_cannot_be_is_refused_by_field(fields, field):
    workspace_id = make_workspace()

    with pytest.raises(InputInvalid) as refused:
        endpoint(workspace_id, **fields)

    assert [error.field for error in refused.value.errors] == [field]
    assert not Endpoint.objects.exists()


def test_fallbacks_never_form_a_circle():
    workspace_id = make_workspace()
    first = endpoint(workspace_id, slug="first")
    second = endpoint(workspace_id, slug="second", fallback_id=first)

    with pytest.raises(InputInvalid, match="Leads back"):
        wiring.endpoint_update(workspace_id=workspace_id, endpoint_id=first, fallback_id=second)


def test_a_workspace_has_one_default_endpoint():
    workspace_id = make_workspace()
    for slug in ("first", "second"):
        endpoint(workspace_id, slug=slug, is_default=True)

    found = Endpoint.objects.filter(is_default=True).values_list("slug", flat=True)

    assert list(found) == ["second"]


def test_the_environments_endpoint_is_read_only(settings):
    settings.OPENAI_BASE_URL = "https://example.org/v1"
    workspace_id = make_workspace()
    wiring.workspace_prepare(workspace_id)
    (row,) = catalogue.endpoint_list(workspace_id=workspace_id).results

    with pytest.raises(ReadOnly):
        wiring.endpoint_update(workspace_id=workspace_id, endpoint_id=row.id, model="x")
    with pytest.raises(ReadOnly):
        endpoint_delete(workspace_id=workspace_id, endpoint_id=row.id)


def test_an_endpoint_that_is_switched_off_is_not_called():
    workspace_id = make_workspace()
    spare = endpoint(workspace_id, slug="spare")
    first = endpoint(workspace_id, slug="first", enabled=False, fallback_id=spare)

    chain = catalogue.endpoint_chain(workspace_id=workspace_id, endpoint_id=first)
    wiring.endpoint_update(workspace_id=workspace_id, endpoint_id=spare, enabled=False)

    assert [row.slug for row in chain] == ["spare"]
    with pytest.raises(EndpointUnusable, match="switched off"):
        catalogue.endpoint_chain(workspace_id=workspace_id, endpoint_id=first)


# ---------------------------------------------------------------- approvals


def test_a_question_is_asked_once_and_answered_once():
    request = make_run()
    first, again = open_approval(request), open_approval(request)

    answered = approval_answer(
        approval_id=first.id, workspace_id=request.workspace_id, by="ada", decision="Approve"
    )

    assert first == again
    assert (answered.task_id, answered.decision) == (request.task_id, "approve")
    with pytest.raises(AlreadyAnswered):
        approval_answer(
            approval_id=first.id, workspace_id=request.workspace_id, by="bob", decision="deny"
        )
    (view,) = runs.approval_list(workspace_id=request.workspace_id, status=None).results
    assert (view.decision, view.answered_by) == ("approve", "ada")
    assert open_approval(request).answered is True


@pytest.mark.parametrize("given", [{}, {"decision": "maybe"}, {"text": "no options match"}])
def test_an_answer_that_is_no_answer_leaves_the_question_open(given):
    request = make_run()
    question = open_approval(request)

    with pytest.raises(InputInvalid):
        approval_answer(
            approval_id=question.id, workspace_id=request.workspace_id, by="ada", **given
        )

    assert open_approval(request).answered is False


@pytest.mark.parametrize(
    ("decision", "arguments", "why"),
    [
        ("deny", {"expression": "2"}, "Only a tool call that is approved"),
        ("approve", ["2"], "one JSON object"),
        ("approve", "2", "one JSON object"),
        ("approve", {}, "'expression' is a required property"),
        ("approve", {"expression": 2}, "expression: 2 is not of type 'string'"),
        ("approve", {"expression": "2", "x": 1}, "'x' was unexpected"),
        ("approve", {"expression": "a\x00b"}, "null character"),
        ("approve", {"expression": "x" * 100_001}, "at most 100,000"),
        ("approve", {"expression": float("nan")}, "too large"),
    ],
)
def test_a_call_is_changed_only_into_one_that_its_tool_takes(decision, arguments, why):
    request = make_run()
    wiring.workspace_prepare(request.workspace_id)
    question = open_approval(request, detail={"tool": "calculator", "arguments": "{}"})

    with pytest.raises(InputInvalid, match=why):
        approval_answer(
            approval_id=question.id, workspace_id=request.workspace_id, by="ada",
            decision=decision, arguments=arguments,
        )  # fmt: skip

    (view,) = runs.approval_list(workspace_id=request.workspace_id, status=None).results
    assert (view.status, view.edited) == ("open", None)


@pytest.mark.parametrize("detail", [{}, {"tool": "gone", "arguments": "{}"}])
def test_what_is_no_call_of_a_known_tool_cannot_be_changed(detail):
    request = make_run()
    wiring.workspace_prepare(request.workspace_id)
    question = open_approval(request, detail=detail)

    with pytest.raises(InputInvalid, match="arguments"):
        approval_answer(
            approval_id=question.id, workspace_id=request.workspace_id, by="ada",
            decision="approve", arguments={"expression": "2"},
        )  # fmt: skip


def test_arguments_that_say_what_was_asked_for_are_no_change():
    request = make_run()
    wiring.workspace_prepare(request.workspace_id)
    asked = {"tool": "calculator", "arguments": ' {"expression":\n"2"} '}
    question = open_approval(request, detail=asked)

    answered = approval_answer(
        approval_id=question.id, workspace_id=request.workspace_id, by="ada",
        decision="approve", arguments={"expression": "2"},
    )  # fmt: skip

    assert (answered.edited, AuditEntry.objects.filter(action="approval.edit").count()) == (
        False,
        0,
    )


def test_the_questions_of_a_task_that_is_over_are_withdrawn():
    request = make_run()
    question = open_approval(request)

    assert approvals_close(task_id=request.task_id) == 1
    with pytest.raises(AlreadyAnswered):
        approval_answer(
            approval_id=question.id,
            workspace_id=request.workspace_id,
            by="ada",
            decision="approve",
        )


# ---------------------------------------------------------------- tenancy


def test_rows_of_another_workspace_are_like_missing_ones():
    mine, other = make_workspace(), make_workspace()
    request = make_run(mine)
    agent_id = request.agent_id
    endpoint_id = endpoint(mine)
    question = open_approval(request)
    memory_id = memory_remember(workspace_id=mine, text="mine")
    budget_id = budget_set(workspace_id=mine, limit_usd=Decimal(1))
    scene_create(workspace_id=mine, slug="mine")
    wiring.workspace_prepare(mine)
    missing = str(uuid.uuid4())

    def calls(workspace_id, *, real):
        def id_of(value):
            return value if real else missing

        seal = wiring._parts().box.seal
        return [
            lambda: agent_update(workspace_id=workspace_id, agent_id=id_of(agent_id), name="x"),
            lambda: agent_retire(workspace_id=workspace_id, agent_id=id_of(agent_id)),
            lambda: catalogue.agent_detail(workspace_id=workspace_id, agent=id_of(agent_id)),
            lambda: make_agent(workspace_id, endpoint_id=id_of(endpoint_id)),
            lambda: endpoint_update(
                workspace_id=workspace_id, endpoint_id=id_of(endpoint_id), seal=seal, name="x"
            ),
            lambda: endpoint_delete(workspace_id=workspace_id, endpoint_id=id_of(endpoint_id)),
            lambda: approval_answer(
                approval_id=id_of(question.id),
                workspace_id=workspace_id,
                by="eve",
                decision="approve",
            ),
            lambda: runs.run_steps(workspace_id=workspace_id, run_id=id_of(request.run_id)),
            lambda: memory_erase(workspace_id=workspace_id, memory_id=id_of(memory_id)),
            lambda: memory_review(
                workspace_id=workspace_id, memory_id=id_of(memory_id), accepted=False
            ),
            lambda: memory_remember(
                workspace_id=workspace_id, text="x", scope="agent", scope_id=id_of(agent_id)
            ),
            lambda: budget_delete(workspace_id=workspace_id, budget_id=id_of(budget_id)),
            lambda: scene_update(workspace_id=workspace_id, slug="mine", name="x"),
            lambda: tool_update(workspace_id=workspace_id, name="calculator", enabled=False),
            lambda: mcp_connection_delete(
                workspace_id=workspace_id, connection_id=id_of(endpoint_id)
            ),
        ]

    for foreign, absent in zip(calls(other, real=True), calls(other, real=False), strict=True):
        with pytest.raises(NotFound) as of_another:
            foreign()
        with pytest.raises(NotFound) as of_nobody:
            absent()
        assert type(of_another.value) is type(of_nobody.value)
        assert of_another.value.kind == of_nobody.value.kind
    assert memories.memory_list(workspace_id=other).results == []
    assert [row["text"] for row in memories.memory_list(workspace_id=mine).results] == ["mine"]


def test_ids_that_are_no_ids_are_like_missing_ones():
    workspace_id = make_workspace()

    for wrong in ("", "x", "../etc", "a\x00b", "1" * 5000):
        with pytest.raises(NotFound):
            agent_update(workspace_id=workspace_id, agent_id=wrong, name="x")
        with pytest.raises(NotFound):
            catalogue.agent_detail(workspace_id=workspace_id, agent=wrong)
        with pytest.raises(NotFound):
            runs.run_steps(workspace_id=workspace_id, run_id=wrong)


# ---------------------------------------------------------------- tools


def test_the_built_in_tools_are_rows_and_keep_what_operators_set():
    workspace_id = make_workspace()
    specs = wiring._parts().workshop.builtin_specs()
    tools_sync(workspace_id=workspace_id, specs=specs)
    tool_update(
        workspace_id=workspace_id,
        name="http_fetch",
        enabled=False,
        timeout_s=5,
        options={"hosts": ["example.org"]},
    )

    tools_sync(workspace_id=workspace_id, specs=specs)

    rows = {row["name"]: row for row in tool_selectors.tool_list(workspace_id=workspace_id).results}
    assert set(rows) == BUILTIN_TOOLS
    kept = rows["http_fetch"]
    assert (kept["enabled"], kept["timeout_s"]) == (False, 5.0)
    allowed = tool_selectors.tools_allowed(workspace_id=workspace_id)
    assert (allowed.off, allowed.fetch_hosts) == ({"http_fetch"}, ("example.org",))


def test_an_agent_without_a_model_says_which_there_are(settings):
    settings.OPENAI_BASE_URL = "http://127.0.0.1:9/v1"
    settings.LOOM_MODEL = ""
    workspace_id = make_workspace()

    described = wiring.model_describe(workspace_id)

    assert described["model"] == ""
    assert "127.0.0.1:9" in described["error"]
    assert asyncio.iscoroutinefunction(wiring.run_agent)
