"""The jobs that ask a model by the clock, through the real runtime and a real endpoint's format."""

import json

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command

from agents.models import UsageEntry
from cluster import tasks
from cluster.models import Blueprint, JudgeAudit
from cluster.services import blueprints, calibration
from cluster.services.population import nodes_ensure
from loomsite.access.models import Workspace
from tests.factories.access import make_tenant
from tests.factories.agents import make_agent
from tests.factories.cluster import FakeWorld, submit, work
from tests.support.wire_server import WireServer

pytestmark = pytest.mark.django_db(transaction=True)
SPEC = {"name": "Tides", "instructions": "You look tides up.", "domains": ["general"]}


@pytest.fixture
def workspace_id(settings):
    with WireServer() as server:
        settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = server.url, "test-key"
        settings.LOOM_MODEL, settings.LOOM_JUDGE_MODEL = "", ""
        yield make_tenant(slug="harbour").workspace_id


def known(workspace_id, said):
    """Keep answers of known worth, of which the judge says something."""
    for worth in (0.0, 0.1, 0.9, 1.0, 0.2, 0.8):
        goal = f"Say it. [[judge={said(worth)}]]"
        calibration.case_add(workspace_id=workspace_id, goal=goal, answer="Said.", score=worth)


def test_the_job_measures_the_judge_once_and_charges_the_workspace(workspace_id):
    known(workspace_id, lambda worth: worth)

    tasks.judge_audit_job()
    tasks.judge_audit_job()

    audit = JudgeAudit.objects.get()
    assert (audit.n, audit.trust, audit.model, audit.created_by) == (6, 1.0, "local", "beat")
    assert UsageEntry.objects.filter(workspace_id=workspace_id, purpose="judge").count() == 6


def test_the_command_measures_and_says_how_far_the_judge_is_believed(workspace_id, capsys):
    with pytest.raises(SystemExit) as nothing:
        call_command("judge_audit", workspace="harbour")
    assert nothing.value.code == 1

    known(workspace_id, lambda _worth: 1.0)
    call_command("judge_audit", workspace="harbour", json=True)

    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (report["trust"], report["flags"]) == (0.0, ["constant", "lenient"])
    with pytest.raises(CommandError, match="no workspace"):
        call_command("judge_audit", workspace="nowhere")


def test_the_job_lets_a_weak_line_evolve(workspace_id):
    Workspace.objects.filter(id=workspace_id).update(settings={"blueprint_approval": "auto"})
    for slug in ("ada", "bob"):
        make_agent(workspace_id, slug=slug)
    nodes_ensure(workspace_id=workspace_id)
    blueprints.blueprint_import(
        workspace_id=workspace_id, document={"slug": "tides", "spec": SPEC}, actor="ada"
    )
    for _ in range(10):
        submit(workspace_id, agent="tides", max_cycles=1)
        work(FakeWorld(replies={"judge": {"score": 0.02, "comment": "wrong harbour"}}))

    tasks.grow_job()

    child = Blueprint.objects.get(slug="tides", version=2)
    assert (child.state, child.origin) == ("challenger", "evolved")
    assert UsageEntry.objects.filter(purpose="evolve").count() == 1


def test_beat_knows_the_jobs():
    scheduled = {entry["task"] for entry in django_settings.CELERY_BEAT_SCHEDULE.values()}

    assert {
        "cluster.tasks.health_job",
        "cluster.tasks.judge_audit_job",
        "cluster.tasks.grow_job",
    } <= scheduled
