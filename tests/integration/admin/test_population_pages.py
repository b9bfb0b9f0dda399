"""The pages of nodes, lineage, skills and the judge."""

import io
import json
import zipfile
from datetime import UTC, datetime

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from agents.models import Agent, Skill, SkillVersion
from agents.services.agents import agent_create
from agents.services.skill_versions import skill_create
from agents.services.skills import skill_import
from agents.skills import loader
from agents.skills.writer import to_archive, to_markdown
from cluster.models import (
    AgentNode,
    Blueprint,
    Calibration,
    CalibrationCase,
    Domain,
    LifecycleEvent,
    Schedule,
)
from cluster.selectors.lineage import lineage
from cluster.selectors.reliability import reliability
from cluster.services.population import node_create
from cluster.services.schedules import schedule_times
from loomsite.access.models import AuditEntry, Workspace
from tests.integration.admin.seeding import EVIL, member, signed_in

pytestmark = pytest.mark.django_db


def _url(model: str, page: str, *args: object) -> str:
    return reverse(f"admin:{model}_{page}", args=args)


def _node(home: Workspace, slug: str, **fields) -> AgentNode:
    pk = agent_create(workspace_id=str(home.pk), slug=slug, name=slug)
    node = node_create(agent=Agent.objects.get(pk=pk), family=slug, reason=f"{slug} was wanted")
    AgentNode.objects.filter(pk=node.pk).update(**fields)
    return AgentNode.objects.get(pk=node.pk)


def _press(client: Client, model: str, row, name: str, **form) -> str:
    return client.post(_url(model, "do", row.pk, name), form, follow=True).content.decode()


# ---------------------------------------------------------------- nodes


def _merge_page(node: AgentNode) -> str:
    return _url("cluster_agentnode", "merge", node.pk)


def test_a_node_is_merged_into_another_with_a_reason_and_brought_back(client, home) -> None:
    nodes = [_node(home, f"n{number}") for number in range(4)]
    node, into = nodes[0], nodes[1]
    sent = {"into": str(into.pk), "reason": "both do the same", "_once": "one-form"}

    form = client.get(_merge_page(node)).content.decode()
    said = client.post(_merge_page(node), sent, follow=True).content.decode()
    client.post(_merge_page(node), sent)
    merged = AgentNode.objects.get(pk=node.pk)
    after = client.get(_merge_page(node)).content.decode()
    _press(client, "cluster_agentnode", node, "undo", reason="they do not")

    assert [f'value="{each.pk}"' in form for each in nodes] == [False, True, True, True]
    assert (merged.state, merged.merged_into_id) == ("retired", into.pk)
    assert "Merged." in said
    assert "/do/undo/" in after
    assert 'name="into"' not in after
    assert AgentNode.objects.get(pk=node.pk).state == "active"
    entry = AuditEntry.objects.get(action="agentnode.merge")
    assert (entry.reason, entry.detail["into"]) == ("both do the same", str(into.pk))


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ({"reason": "so"}, "Choose the node"),
        ({"into": "self", "reason": "so"}, "into itself"),
        ({"into": "not-a-node", "reason": "so"}, "There is no node"),
        ({"into": "foreign", "reason": "so"}, "There is no node"),
        ({"into": "other"}, "Say why"),
        ({"into": "resting", "reason": "so"}, "quarantined"),
    ],
)
def test_a_merge_that_cannot_be_changes_nothing_and_says_why(form, why, client, home) -> None:
    strange = Workspace.objects.create(slug="strange", name="Strange")
    nodes = {name: _node(home, name) for name in ("self", "other", "resting", "more")}
    AgentNode.objects.filter(pk=nodes["resting"].pk).update(state="quarantined")
    nodes["foreign"] = _node(strange, "foreign")
    into = form.get("into", "")
    sent = {**form, "into": str(nodes[into].pk) if into in nodes else into}

    page = client.post(_merge_page(nodes["self"]), sent).content.decode()

    assert why in page
    assert f'value="{nodes["foreign"].pk}"' not in page
    assert not LifecycleEvent.objects.filter(kind="merged").exists()
    assert not AuditEntry.objects.filter(action="agentnode.merge").exists()


def test_a_viewer_and_a_stranger_merge_nothing(home) -> None:
    node, into = (_node(home, slug) for slug in ("one", "two"))
    strange = Workspace.objects.create(slug="strange", name="Strange")
    codes = []
    for workspace, role in ((home, "viewer"), (strange, "owner")):
        other = signed_in(member(workspace.pk, role))
        codes.append(other.post(_merge_page(node), {"into": into.pk, "reason": "so"}).status_code)

    assert codes == [403, 404]


def test_a_form_that_imports_is_sent_twice_and_makes_one_version(client, home) -> None:
    document = json.dumps({"slug": "twice", "spec": {"name": "T", "instructions": "Do."}})
    sent = {"text": document, "workspace": "home", "_once": "one-form"}

    for _ in range(2):
        client.post(reverse("admin:cluster_blueprint_import"), sent)

    assert Blueprint.objects.filter(slug="twice").count() == 1


def test_a_node_is_quarantined_released_retired_and_brought_back_with_reasons(client, home) -> None:
    nodes = [_node(home, f"n{number}") for number in range(4)]
    node = nodes[0]
    states = []
    for name in ("quarantine", "release", "retire", "undo"):
        said = _press(client, "cluster_agentnode", node, name, reason=f"because {name}")
        states.append(AgentNode.objects.get(pk=node.pk).state)

    silent = _press(client, "cluster_agentnode", node, "retire")
    page = client.get(_url("cluster_agentnode", "change", node.pk)).content.decode()

    assert states == ["quarantined", "active", "retired", "active"]
    assert "Undone" in said
    assert "Say why" in silent
    assert "Node of n0" in page
    assert all(f"because {name}" in page for name in ("quarantine", "release", "retire", "undo"))
    assert [
        (action, reason)
        for action, reason in AuditEntry.objects.order_by("id").values_list("action", "reason")
    ] == [(f"agentnode.{n}", f"because {n}") for n in ("quarantine", "release", "retire", "undo")]


def test_what_a_node_may_not_have_done_to_it_says_why(client, home) -> None:
    node = _node(home, "only")

    said = _press(client, "cluster_agentnode", node, "quarantine", reason="x")
    stale = _press(client, "cluster_agentnode", node, "release", reason="x")

    assert AgentNode.objects.get(pk=node.pk).state == "active"
    assert "not possible any more" in stale
    assert "lm-" in said
    assert AuditEntry.objects.count() == 0


# ---------------------------------------------------------------- lineage


def test_the_lineage_puts_offspring_and_nodes_below_whom_they_came_from(home) -> None:
    first = Blueprint.objects.create(
        workspace=home, slug="w", version=1, state="retired", reason="seed"
    )
    second = Blueprint.objects.create(
        workspace=home, slug="w", version=2, parent=first, reason="better"
    )
    made = _node(home, "made", blueprint=second)
    child = _node(home, "child", parent=made, state="retired")
    LifecycleEvent.objects.create(node=child, kind="retired", reason="too weak")
    _node(home, "free")

    leaves = lineage(workspace_id=str(home.pk)).leaves

    assert [(leaf.title, leaf.depth, leaf.born, leaf.died) for leaf in leaves] == [
        ("w v1", 0, "seed", ""),
        ("w v2", 1, "better", ""),
        ("made", 2, "made was wanted", ""),
        ("child", 3, "child was wanted", "too weak"),
        ("free", 0, "free was wanted", ""),
    ]


def test_a_circle_of_parents_is_shown_once_and_ends(home) -> None:
    one, two = _node(home, "one"), _node(home, "two")
    AgentNode.objects.filter(pk=one.pk).update(parent=two)
    AgentNode.objects.filter(pk=two.pk).update(parent=one)

    leaves = lineage(workspace_id=str(home.pk)).leaves

    assert sorted(leaf.title for leaf in leaves) == ["one", "two"]


# ---------------------------------------------------------------- blueprints


def _line(client: Client, home: Workspace) -> list[Blueprint]:
    """Make a blueprint and its challenger on the form."""
    spec = {"name": "Writer", "instructions": "Be brief.", "tools": [], "domains": ["writing"]}
    form = {"workspace": home.pk, "slug": "writer", "spec": json.dumps(spec), "reason": "wanted"}
    client.post(_url("cluster_blueprint", "add"), form)
    first = Blueprint.objects.get()
    if first.state == "draft":
        _press(client, "cluster_blueprint", first, "approve", reason="fine")
    changed = {"spec": json.dumps({**spec, "instructions": "Be long."}), "reason": "long"}
    client.post(_url("cluster_blueprint", "change", first.pk), changed)
    return list(Blueprint.objects.order_by("version"))


def test_a_blueprint_is_revised_compared_promoted_and_rolled_back(client, home) -> None:
    first, second = _line(client, home)
    page = client.get(_url("cluster_blueprint", "versions", second.pk)).content.decode()

    promoted = _press(client, "cluster_blueprint", second, "promote", reason="it won")
    leader = Blueprint.objects.get(state="active").version
    silent = _press(client, "cluster_blueprint", second, "rollback")
    back = _press(client, "cluster_blueprint", second, "rollback", reason="readers\x00 complain")
    again = _press(client, "cluster_blueprint", second, "rollback", reason="twice")

    assert "+ Be long." in page
    assert (second.state, second.parent_id) == ("challenger", first.pk)
    assert "leads its line" in promoted
    assert leader == 2
    assert "Say why" in silent
    assert "writer v1 leads now" in back
    assert "not possible any more" in again
    assert Blueprint.objects.get(state="active").version == 1
    evidence = client.get(_url("cluster_blueprint", "evidence", second.pk)).content.decode()
    assert "readers complain" in evidence


def test_a_blueprint_goes_out_as_json_and_comes_in_elsewhere(client, home) -> None:
    first, _ = _line(client, home)
    exported = client.get(_url("cluster_blueprint", "export", first.pk))
    there = Workspace.objects.create(slug="there", name="There")
    other = signed_in(member(there.pk, "operator"))

    file = SimpleUploadedFile("writer.json", exported.content)
    answer = other.post(_url("cluster_blueprint", "import"), {"workspace": "there", "file": file})
    foreign = other.get(_url("cluster_blueprint", "export", first.pk))

    made = Blueprint.objects.get(workspace=there)
    assert answer["Location"] == _url("cluster_blueprint", "change", made.pk)
    assert (made.spec, made.origin) == (first.spec, "imported")
    assert foreign.status_code == 404


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "either a file or a text"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "JSON object"),
        ('{"slug": "x", "spec": {"name": "x"}}', "instructions"),
        ('{"slug": "No Slug", "spec": {}}', "slug"),
        ('{"slug": "x", "spec": {"name": "x", "instructions": " "}}', "must not be empty"),
        (
            '{"slug": "x", "spec": {"name": "x", "instructions": "i", "tools": ["shell"]}}',
            "asks for the tool",
        ),
    ],
)
def test_what_is_no_blueprint_is_refused_in_words(text, sentence, client, home) -> None:
    answer = client.post(_url("cluster_blueprint", "import"), {"workspace": "home", "text": text})

    assert sentence in answer.content.decode()
    assert Blueprint.objects.count() == 0


# ---------------------------------------------------------------- skills

_MARKDOWN = """---
name: letters
description: Writing letters
keywords: [letter, mail]
patterns: ["dear .*"]
---

Be brief.
"""


def _archive(**files: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in {"letters/SKILL.md": _MARKDOWN, **files}.items():
            archive.writestr(name, text)
    return packed.getvalue()


def test_a_folder_is_imported_as_a_draft_and_exported_as_it_was(client, home) -> None:
    file = SimpleUploadedFile("letters.zip", _archive(**{"letters/forms/a.txt": f"Dear {EVIL}"}))

    answer = client.post(_url("agents_skill", "import"), {"workspace": "home", "file": file})
    row = Skill.objects.get()
    exported = client.get(_url("agents_skill", "export", row.pk))

    assert answer.url == _url("agents_skill", "change", row.pk)
    assert (row.state, row.origin, row.version_number) == ("draft", "imported", 1)
    assert loader.from_archive(exported.content) == loader.from_archive(
        _archive(**{"letters/forms/a.txt": f"Dear {EVIL}"})
    )
    assert exported["Content-Disposition"] == 'attachment; filename="letters.zip"'


def test_an_import_replaces_only_when_that_is_said_and_keeps_what_was(client, home) -> None:
    skill_import(workspace_id=str(home.pk), markdown=_MARKDOWN)
    form = {"workspace": "home", "text": _MARKDOWN.replace("Be brief.", "Be long.")}

    refused = client.post(_url("agents_skill", "import"), form)
    kept = Skill.objects.get().instructions
    client.post(_url("agents_skill", "import"), {**form, "replace": "on"})

    assert "say that it is replaced" in refused.content.decode()
    assert "Be long." in refused.content.decode()
    assert kept == "Be brief."
    rows = SkillVersion.objects.order_by("number").values_list("spec__instructions", flat=True)
    assert list(rows) == ["Be brief.", "Be long."]


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({}, "either a file or a text"),
        ({"text": "no front matter"}, "front matter"),
        ({"text": _MARKDOWN.replace("letters", "No Name!")}, "lower-case"),
        ({"text": "\x00"}, "front matter"),
    ],
)
def test_what_is_no_skill_is_refused_in_words(form, sentence, client, home) -> None:
    answer = client.post(_url("agents_skill", "import"), {"workspace": "home", **form})

    assert sentence in answer.content.decode()
    assert Skill.objects.count() == 0


def test_an_archive_that_leads_outside_is_refused(client, home) -> None:
    file = SimpleUploadedFile("x.zip", _archive(**{"letters/../../evil.txt": "x"}))

    answer = client.post(_url("agents_skill", "import"), {"workspace": "home", "file": file})

    assert "leads out of the archive" in answer.content.decode()
    assert Skill.objects.count() == 0


def test_a_skill_is_edited_compared_and_rolled_back(client, home) -> None:
    pk = skill_create(
        workspace_id=str(home.pk), name="letters", description="d", instructions="Be brief."
    )
    form = {"description": "d", "instructions": "Be long.", "keywords": "a, b",
            "patterns": "dear .*", "files": "{}", "reason": "longer"}  # fmt: skip

    saved = client.post(_url("agents_skill", "change", pk), form)
    page = client.get(_url("agents_skill", "versions", pk)).content.decode()
    back = {"number": 1, "seen": 2, "reason": "too long"}
    client.post(_url("agents_skill", "versions", pk), back)
    again = client.post(_url("agents_skill", "versions", pk), back, follow=True).content.decode()

    row = Skill.objects.get()
    assert saved.status_code == 302
    assert "<del>" in page
    assert "+ Be long." in page
    assert (row.instructions, row.keywords, row.version_number) == ("Be brief.", [], 3)
    assert "by now: look again" in again
    assert AuditEntry.objects.get(action="skill.restore").reason == "too long"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"patterns": "(("}, "patterns"),
        ({"files": '{"../x": "y"}'}, "leads out"),
        ({"files": "[1]"}, "paths"),
        ({"instructions": ""}, "This field is required"),
    ],
)
def test_a_skill_that_cannot_be_says_why(fields, sentence, client, home) -> None:
    form = {"workspace": home.pk, "name": "x", "description": "d", "instructions": "i",
            "keywords": "", "patterns": "", "files": "{}", "reason": ""}  # fmt: skip

    answer = client.post(_url("agents_skill", "add"), {**form, **fields})

    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert Skill.objects.count() == 0


def test_a_skill_written_as_markdown_reads_as_the_same_skill() -> None:
    skill = loader.Skill(
        name="odd", description="Colons: and # marks, 'quotes' and ünïcode",
        instructions="One\n\n---\n\nTwo", keywords=("a: b", "- c"), patterns=(r"\d+: .*",),
        files={"b.md": "x", "a.md": "y"},
    )  # fmt: skip

    assert loader.parse(to_markdown(skill), skill.files) == skill
    assert loader.from_archive(to_archive(skill)) == skill
    assert to_archive(skill) == to_archive(skill)


# ---------------------------------------------------------------- how far things are believed


def test_reliability_sums_bins_and_domains(home) -> None:
    domains = [Domain.objects.create(workspace=home, slug=s, description=s) for s in ("a", "b")]
    for domain, n in zip(domains, (1, 3), strict=True):
        Calibration.objects.create(
            workspace=home, domain=domain, bin=7, n=n, forecast_sum=0.75 * n, score_sum=0.5 * n,
            squared_error_sum=0.1 * n,
        )  # fmt: skip

    report = reliability(workspace_id=str(home.pk))

    assert (report["n"], report["forecast"], report["came"]) == (4, 0.75, 0.5)
    assert report["brier"] == pytest.approx(0.1)
    assert [(each["low"], each["n"]) for each in report["bins"]] == [(0.7, 4)]
    assert [(each["domain"], each["n"]) for each in report["domains"]] == [("a", 1), ("b", 3)]


def test_answers_of_known_worth_are_kept_changed_and_refused(client, home) -> None:
    form = {"workspace": home.pk, "goal": EVIL, "answer": "42", "score": "1", "note": ""}

    wrong = client.post(_url("cluster_calibrationcase", "add"), {**form, "score": "3"})
    client.post(_url("cluster_calibrationcase", "add"), form)
    row = CalibrationCase.objects.get()
    client.post(
        _url("cluster_calibrationcase", "change", row.pk), {**form, "score": "0.5", "enabled": "on"}
    )
    judge = client.get(_url("cluster_calibrationcase", "judge")).content.decode()

    assert "score" in wrong.content.decode()
    assert (row.goal, row.created_by) == (EVIL, "user:olga")
    assert CalibrationCase.objects.get().score == 0.5
    assert "never" in judge
    assert EVIL not in judge


# ---------------------------------------------------------------- schedules


def test_a_schedule_shows_when_it_fires_next(client, home) -> None:
    at = datetime(2030, 3, 1, 6, 0, tzinfo=UTC)
    cron = Schedule.objects.create(
        workspace=home, name="c", kind="cron", cron="0 7 * * 1-5", timezone="Europe/Berlin",
        submission={"goal": EVIL}, next_at=at,
    )  # fmt: skip
    once = Schedule.objects.create(
        workspace=home, name="o", kind="once", at=at, submission={"goal": "g"}, next_at=at
    )
    off = Schedule.objects.create(
        workspace=home, name="f", kind="interval", every_s=60, submission={"goal": "g"},
        enabled=False,
    )  # fmt: skip

    page = client.get(_url("cluster_schedule", "change", cron.pk)).content.decode()

    assert [each.day for each in schedule_times(cron)] == [1, 4, 5, 6, 7]
    assert (schedule_times(once), schedule_times(off)) == ([at], [])
    assert "Fri 2030-03-01 06:00" in page
    assert EVIL not in page
