"""Nodes, blueprints, rewards and the judge's calibration set over REST."""

from typing import Any

import pytest

from agents.models import Tool
from cluster.models import AgentNode, Blueprint, SplitCell
from cluster.services.population import nodes_ensure
from tests.factories.access import client_with, make_key, make_tenant
from tests.factories.agents import make_agent
from tests.factories.cluster import FakeWorld, submit, work

pytestmark = pytest.mark.django_db(transaction=True)
API = "/api/v1"
NOBODY = "00000000-0000-4000-8000-000000000000"
WHY = {"reason": "it invents figures"}
SPEC = {"name": "Tides", "instructions": "You look tides up.", "tools": [], "domains": ["general"]}
JUDGED = {"judge": {"score": 0.9, "comment": "good"}}


@pytest.fixture
def tenant() -> Any:
    made = make_tenant()
    for slug in ("ada", "bob", "eve"):
        make_agent(made.workspace_id, slug=slug)
    nodes_ensure(workspace_id=made.workspace_id)
    return made


def post(tenant: Any, path: str, body: Any) -> Any:
    return tenant.client().post(f"{API}/{path}", body, format="json")


def get(tenant: Any, path: str, **query: Any) -> Any:
    return tenant.client().get(f"{API}/{path}", query)


def imported(tenant: Any, slug: str = "tides") -> dict[str, Any]:
    made = post(tenant, "blueprints/import", {"document": {"slug": slug, "spec": SPEC}})
    assert made.status_code == 201, made.content
    return made.json()


# ---------------------------------------------------------------- nodes


def test_nodes_are_listed_in_pages_and_acted_on_with_a_reason(tenant: Any) -> None:
    first = get(tenant, "nodes", limit=2).json()
    second = tenant.client().get(first["next"]).json()
    names = {row["agent"] for row in (*first["results"], *second["results"])}
    assert (names, second["next"]) == ({"ada", "bob", "eve"}, None)

    node_id = get(tenant, "nodes", agent="eve").json()["results"][0]["id"]
    for action, state in (
        ("quarantine", "quarantined"), ("release", "active"), ("retire", "retired"),
        ("undo", "active"),
    ):  # fmt: skip
        answer = post(tenant, f"nodes/{node_id}/{action}", WHY)
        assert (answer.status_code, answer.json()["state"]) == (200, state), answer.content

    history = get(tenant, f"nodes/{node_id}/lifecycle").json()["results"]
    kinds = [event["kind"] for event in history]
    assert kinds == ["undone", "retired", "released", "quarantined", "born"]
    assert {event["reason"] for event in history[:-1]} == {WHY["reason"]}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("nodes/{eve}/retire", {}, 400),
        ("nodes/{eve}/retire", {"reason": " "}, 400),
        ("nodes/{eve}/retire", {"reason": 5}, 400),
        ("nodes/{eve}/retire", {"reason": "x", "more": 1}, 400),
        ("nodes/{eve}/release", WHY, 409),
        ("nodes/{eve}/merge", {**WHY, "into_id": "{eve}"}, 400),
        ("nodes/{eve}/merge", {**WHY, "into_id": NOBODY}, 404),
        (f"nodes/{NOBODY}/retire", WHY, 404),
    ],
)
def test_what_cannot_be_done_to_a_node_says_so_and_changes_nothing(
    tenant: Any, path: str, body: dict[str, Any], status: int
) -> None:
    eve = str(AgentNode.objects.get(agent__slug="eve").pk)
    filled = {
        name: value.format(eve=eve) if isinstance(value, str) else value
        for name, value in body.items()
    }

    answer = post(tenant, path.format(eve=eve), filled)

    assert answer.status_code == status, answer.content
    assert {"type", "title", "status", "detail", "code"} <= set(answer.json())
    assert AgentNode.objects.get(pk=eve).state == "active"


def test_foreign_rows_are_like_missing_ones_and_scopes_are_asked_for(tenant: Any) -> None:
    node_id = AgentNode.objects.filter(agent__slug="eve").get().pk
    blueprint = imported(tenant)["id"]
    case = post(tenant, "calibration-cases", {"goal": "g", "answer": "a", "score": 1}).json()["id"]
    other = make_tenant()
    paths = [f"nodes/{node_id}", f"nodes/{node_id}/lifecycle", f"blueprints/{blueprint}"]
    paths += [f"blueprints/{blueprint}/{part}" for part in ("versions", "diff", "export")]
    paths += [f"calibration-cases/{case}"]

    for path in paths:
        foreign, missing = get(other, path), get(other, path.replace(path.split("/")[1], NOBODY))
        assert (foreign.status_code, missing.status_code) == (404, 404), path
        assert foreign.json()["code"] == missing.json()["code"]
    assert get(other, "nodes").json()["results"] == []
    assert get(other, "blueprints").json()["results"] == []

    reader = client_with(make_key(tenant.slug, ["agents:read"]))
    stranger = client_with(make_key(tenant.slug, ["tasks:read"]))
    assert reader.post(f"{API}/nodes/{node_id}/retire", WHY, format="json").status_code == 403
    assert stranger.get(f"{API}/nodes").status_code == 403
    assert reader.get(f"{API}/rewards").status_code == 200


# ---------------------------------------------------------------- blueprints


def test_a_blueprint_is_imported_approved_revised_raced_and_taken_back(tenant: Any) -> None:
    row = imported(tenant)
    assert (row["state"], row["origin"], row["nodes"]) == ("draft", "imported", [])

    leader = post(tenant, f"blueprints/{row['id']}/approve", WHY).json()
    assert (leader["state"], leader["nodes"][0]["agent"]) == ("active", "tides")
    child = post(
        tenant,
        f"blueprints/{row['id']}/revise",
        {**WHY, "changes": {"instructions": "You look twice."}},
    )
    assert (child.status_code, child.json()["state"]) == (201, "challenger")
    child_id = child.json()["id"]
    diff = get(tenant, f"blueprints/{child_id}/diff").json()
    assert [change["field"] for change in diff["changes"]] == ["instructions"]

    assert post(tenant, f"blueprints/{child_id}/promote", WHY).json()["state"] == "active"
    assert post(tenant, f"blueprints/{child_id}/rollback", WHY).json()["state"] == "retired"
    versions = get(tenant, f"blueprints/{child_id}/versions").json()["results"]
    assert [(v["version"], v["state"]) for v in versions] == [(2, "retired"), (1, "active")]
    lineage = get(tenant, "blueprints/lineage").json()
    assert {b["id"]: b["parent_id"] for b in lineage["blueprints"]}[child_id] == row["id"]
    assert post(tenant, f"blueprints/{row['id']}/retire", WHY).json()["state"] == "retired"


def test_an_export_is_what_an_import_takes(tenant: Any) -> None:
    document = get(tenant, f"blueprints/{imported(tenant)['id']}/export").json()

    again = post(tenant, "blueprints/import", {"document": {**document, "slug": "waves"}})

    assert (again.status_code, again.json()["spec"]) == (201, SPEC)
    twice = post(tenant, "blueprints/import", {"document": document})
    assert (twice.status_code, twice.json()["code"]) == (409, "cluster.population_conflict")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"slug": "a", "spec": {**SPEC, "instructions": " "}}, "instructions must not be empty"),
        ({"slug": "a", "spec": {**SPEC, "tools": ["rm_rf"]}}, "'rm_rf'"),
        ({"slug": "a"}, "spec"),
        ({"slug": "../etc", "spec": SPEC}, "slug"),
    ],
)
def test_a_bad_blueprint_is_a_problem_that_says_what_to_change(
    tenant: Any, document: dict[str, Any], said: str
) -> None:
    answer = post(tenant, "blueprints/import", {"document": document})

    assert (answer.status_code, answer.json()["code"]) == (400, "cluster.blueprint_invalid")
    assert said in answer.json()["detail"]
    assert not Blueprint.objects.exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"instructions": ""}, "instructions must not be empty"),
        ({"instructions": " \n"}, "instructions must not be empty"),
        ({"tools": ["shell"]}, "'shell'"),
        ({"prompt": "x"}, "prompt"),
        ({}, "change"),
    ],
)
def test_a_bad_revision_is_a_problem_that_says_what_to_change(
    tenant: Any, changes: dict[str, Any], said: str
) -> None:
    row = imported(tenant)
    Tool.objects.create(workspace_id=tenant.workspace_id, name="shell", tags=["exec"])

    answer = post(tenant, f"blueprints/{row['id']}/revise", {**WHY, "changes": changes})

    assert (answer.status_code, answer.json()["status"]) == (400, 400), answer.json()
    assert said in answer.json()["detail"]
    assert Blueprint.objects.count() == 1


# ---------------------------------------------------------------- rewards


def test_what_splitting_was_worth_is_told_by_domain_and_complexity(tenant: Any) -> None:
    for where, arm, n, total in (
        (tenant.workspace_id, "solo", 4.0, -0.8),
        (tenant.workspace_id, "split", 2.0, 0.5),
        (tenant.workspace_id, "ease", 2.0, 1.5),
        (make_tenant().workspace_id, "split", 9.0, 9.0),
    ):
        SplitCell.objects.create(
            workspace_id=where, domain="research", arm=arm, bin=3, n=n, total=total
        )

    assert get(tenant, "rewards/splits").json() == {
        "results": [
            {
                "domain": "research",
                "bin": 3,
                "lo": 0.5,
                "hi": pytest.approx(4 / 6),
                "solo": {"n": 4.0, "mean": -0.2},
                "split": {"n": 2.0, "mean": 0.25},
                "ease": 0.75,
            }
        ],
        "next": None,
    }


def test_rewards_are_listed_with_components_weights_and_sources(tenant: Any) -> None:
    where = tenant.workspace_id
    task_id = submit(where, agent="ada", checks=[{"kind": "contains", "text": "Answer"}])
    submit(where, agent="bob")
    work(FakeWorld(replies=JUDGED))

    rows = get(tenant, "rewards", limit=1).json()
    (mine,) = get(tenant, "rewards", task_id=task_id).json()["results"]

    assert len(rows["results"]) == 1
    assert len(tenant.client().get(rows["next"]).json()["results"]) == 1
    assert (mine["agent"], mine["source"], mine["verified"]) == ("ada", "fake-model", True)
    assert [(p["source"], p["weight"], p["score"]) for p in mine["components"]] == [
        ("check", 1.0, 1.0),
        ("judge", 0.5, 0.9),
    ]
    assert len(get(tenant, "rewards", source="check").json()["results"]) == 1
    assert get(tenant, "rewards", source="person").json()["results"] == []
    for query in ({"source": "gods"}, {"verified": "maybe"}, {"cursor": "x"}):
        assert get(tenant, "rewards", **query).status_code == 400, query


def test_the_calibration_set_is_curated_and_the_judge_can_be_read(tenant: Any) -> None:
    body = {"goal": "Add 2 and 2.", "answer": "4", "score": 1.0, "note": "right"}
    made = post(tenant, "calibration-cases", body)
    assert made.status_code == 201, made.content
    path = f"{API}/calibration-cases/{made.json()['id']}"

    changed = tenant.client().patch(path, {"enabled": False}, format="json").json()

    assert (changed["enabled"], changed["score"], changed["grades"]) == (False, 1.0, [])
    assert get(tenant, "calibration-cases", enabled="true").json()["results"] == []
    for wrong in ({"score": 2}, {"score": "NaN"}, {"goal": ""}, {"worth": 1}):
        assert post(tenant, "calibration-cases", {**body, **wrong}).status_code == 400, wrong
    assert tenant.client().delete(path).status_code == 204
    assert tenant.client().get(path).status_code == 404
    judge = get(tenant, "rewards/judge").json()
    assert (judge["trust"], judge["weight"], judge["audit"]) == (1.0, 0.5, None)
    assert get(tenant, "rewards/lift").json()["skills"]["verdict"] == "too few"
    assert get(tenant, "judge-audits").json() == {"results": [], "next": None}
