"""The pages of agents: the leaderboard, versions and rolling back, a real try."""

import pytest
from django.urls import reverse
from django.utils import timezone

from agents.models import Agent, AgentVersion
from agents.services.agents import agent_create, agent_update
from cluster.core import market, skill
from cluster.core.market import Work
from cluster.models import Domain, MarketEntry, Task
from cluster.selectors.standing import beliefs_at_large, leaderboard
from cluster.services.books import book_load, family_evidence_set, node_evidence_set
from cluster.services.population import node_create
from loomsite.access.models import AuditEntry, Workspace

pytestmark = pytest.mark.django_db


def _url(page: str, *args: object) -> str:
    return reverse(f"admin:agents_agent_{page}", args=args)


def _agent(home: Workspace, slug: str = "writer", **fields) -> Agent:
    pk = agent_create(workspace_id=str(home.pk), slug=slug, name=slug.title(), **fields)
    return Agent.objects.get(pk=pk)


def test_the_leaderboard_puts_the_surer_of_two_equals_first_and_keeps_its_bands(home) -> None:
    Domain.objects.create(workspace=home, slug="law", description="law")
    nodes = [
        node_create(agent=_agent(home, slug), family=slug, reason="r")
        for slug in ("sure", "new", "bad")
    ]
    book = book_load(workspace_id=str(home.pk))
    for node, scores in zip(nodes, ([1.0] * 20, [1.0], [0.0] * 20), strict=True):
        own, family = skill.node_from_row(node.evidence, node.declared), skill.family_start()
        for score in scores:
            standing = skill.Standing(node=own, family=family)
            settled = market.learn(book, standing, Work(weights={"law": 1.0}, x=0.5), score).settled
            own, family = settled.node, settled.family
        node_evidence_set(node, own, book.space)
        family_evidence_set(node.family, family, book.space)
        node.save()
        node.family.save()

    lines = leaderboard(workspace_id=str(home.pk), domain="law")

    assert [line.agent for line in lines] == ["sure", "new", "bad"]
    sure, new, bad = (line.belief for line in lines)
    assert all(0 <= each.low < each.p < each.high <= 1 for each in (sure, new, bad))
    assert new.high - new.low > sure.high - sure.low
    assert bad.p < 0.5 < sure.p
    assert leaderboard(workspace_id=str(home.pk), domain="nowhere") == []
    at_large = leaderboard(workspace_id=str(home.pk))
    told = beliefs_at_large(workspace_id=str(home.pk), node_ids=[node.pk for node in nodes])
    assert told == {line.node_id: line.belief for line in at_large}
    assert beliefs_at_large(workspace_id=str(home.pk), node_ids=[]) == {}


def test_the_leaderboard_tells_forecast_from_what_came(home, client) -> None:
    node = node_create(agent=_agent(home), family="writer", reason="r")
    task = Task.objects.create(workspace=home, goal="g")
    for rev, (expected, score) in enumerate([(0.5, 1.0), (0.7, 0.2)], start=1):
        MarketEntry.objects.create(
            family=node.family, rev=rev, task=task, cycle=rev, node=node, complexity=0.5,
            score=score, terms={"expected": expected}, at=timezone.now(),
        )  # fmt: skip

    (line,) = leaderboard(workspace_id=str(home.pk))
    page = client.get(_url("leaderboard")).content.decode()

    assert line.recent.scores == (1.0, 0.2)
    assert line.recent.expected == pytest.approx(0.6)
    assert line.recent.brier == pytest.approx((0.25 + 0.25) / 2)
    assert "0.60 → 0.60" in page


def test_an_agent_is_rolled_back_to_an_earlier_version_with_a_reason(home, client) -> None:
    agent = _agent(home, instructions="Be kind.")
    agent_update(workspace_id=str(home.pk), agent_id=str(agent.pk), instructions="Be rude.")
    page = client.get(_url("versions", agent.pk)).content.decode()
    form = {"number": 1, "seen": 2, "reason": "it was rude"}

    client.post(_url("restore", agent.pk), form)
    again = client.post(_url("restore", agent.pk), form, follow=True)

    assert "Be rude." in page
    assert "Be kind." in page
    agent.refresh_from_db()
    assert (agent.instructions, agent.version_number) == ("Be kind.", 3)
    assert "by now: look at it again" in again.content.decode()
    assert list(AuditEntry.objects.values_list("action", "reason", "detail__version")) == [
        ("agent.restore", "it was rude", 1)
    ]
    assert AgentVersion.objects.filter(agent=agent).count() == 3


def test_rolling_back_without_a_reason_or_to_nothing_changes_nothing(home, client) -> None:
    agent = _agent(home)

    silent = client.post(_url("restore", agent.pk), {"number": 1, "seen": 1}, follow=True)
    nothing = client.post(
        _url("restore", agent.pk), {"number": 9, "seen": 1, "reason": "x"}, follow=True
    )
    same = client.post(
        _url("restore", agent.pk), {"number": 1, "seen": 1, "reason": "x"}, follow=True
    )

    assert "Say why" in silent.content.decode()
    assert "version" in nothing.content.decode()
    assert "was already" in same.content.decode()
    assert Agent.objects.get(pk=agent.pk).version_number == 1


def test_a_try_is_a_task_of_that_agent_submitted_once(home, client) -> None:
    agent = _agent(home)
    form = {"goal": "Say <b>hello</b>.", "token": "admin:t"}

    first = client.post(_url("tryit", agent.pk), form)
    second = client.post(_url("tryit", agent.pk), form)
    page = client.get(first.url).content.decode()
    part = client.get(first.url, headers={"HX-Request": "true"}).content.decode()

    task = Task.objects.get()
    assert first.url == second.url == f"{_url('tryit', agent.pk)}?task={task.pk}"
    assert (task.agent_id, task.max_cycles, task.door) == (agent.pk, 1, "admin")
    assert "Say &lt;b&gt;hello" in page
    assert 'hx-trigger="every 1s' in part
    assert "<html" not in part
    assert AuditEntry.objects.filter(action="agent.try").count() == 1


def test_a_try_that_cannot_be_says_why_and_keeps_the_words(home, client) -> None:
    agent = _agent(home)

    answer = client.post(_url("tryit", agent.pk), {"goal": "a\x01b"}, follow=True)
    strange = client.get(_url("tryit", agent.pk), {"task": "not-a-task"})

    assert "control character" in answer.content.decode()
    assert Task.objects.count() == 0
    assert strange.status_code == 404
