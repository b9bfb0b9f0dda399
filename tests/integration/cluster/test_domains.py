"""Kinds of work that nobody wrote down take form from the goals that come in."""

from dataclasses import replace
from typing import Any

import pytest

from cluster.core import domains
from cluster.core.codec import value_load
from cluster.core.perform import Ports
from cluster.core.types import Sensed
from cluster.models import Capability, Domain, MarketEntry, PhaseRecord
from cluster.runner import DatabaseSurroundings
from cluster.selectors.population import domain_list
from cluster.selectors.tasks import task_events
from cluster.services.domains import centroids_fill
from tests.factories.access import make_tenant
from tests.factories.cluster import FakeWorld, assert_all_let_go, submit, work

pytestmark = pytest.mark.django_db(transaction=True)
KNITTED = ("scarf", "hat", "sweater", "glove", "sock", "blanket", "shawl")
JUDGED = {"judge": {"score": 0.9, "comment": ""}}


class EmbeddingWorld(FakeWorld):
    """A world in which goals are compared with the domains by the embedding model."""

    def ports(self) -> Ports:
        return replace(
            super().ports(), surroundings=DatabaseSurroundings(centroids_fill=centroids_fill)
        )


def done(workspace_id: str, goal: str, **replies: Any) -> str:
    task_id = submit(workspace_id, goal, max_cycles=1)
    work(EmbeddingWorld(replies={**JUDGED, **replies}))
    return task_id


def sensed_of(task_id: str) -> Sensed:
    return value_load(Sensed, PhaseRecord.objects.get(task_id=task_id, phase="sense").result)


def knit(what: str) -> str:
    return f"Knit a woollen {what} with cable stitches"


def test_goals_unlike_all_others_that_are_like_one_another_become_a_domain_that_is_learned_in(
    workspace_id: str,
) -> None:
    done(workspace_id, "Debug a Python program")
    before = {row.slug for row in domain_list(workspace_id=workspace_id)}
    for what in KNITTED[: domains.BORN_AT - 1]:
        done(workspace_id, knit(what))

    (forming,) = Domain.objects.filter(state="forming")
    assert (forming.origin, forming.task_n) == ("learned", domains.BORN_AT - 1)
    assert {row.slug for row in domain_list(workspace_id=workspace_id)} == before

    sixth = done(workspace_id, knit(KNITTED[domains.BORN_AT - 1]))

    born = Domain.objects.get(origin="learned")
    assert (born.state, born.slug) == ("active", "cable-knit")
    assert born.description.startswith("work like: Knit a woollen scarf with cable stitches · ")
    assert born.loading  # it has its place among the factors, so that skill in it can be believed
    events = task_events(workspace_id=workspace_id, task_id=sixth)
    assert [e["data"] for e in events if e["type"] == "domain.born"] == [
        {"domain": "cable-knit", "task_count": 6}
    ]
    assert {row.slug for row in domain_list(workspace_id=workspace_id)} == before | {"cable-knit"}

    seventh = done(workspace_id, knit(KNITTED[-1]))

    assert sensed_of(seventh).main_domain == "cable-knit"
    assert MarketEntry.objects.get(task_id=seventh).weights["cable-knit"] > 0.5
    assert Capability.objects.get(domain=born).n == 1
    assert not Domain.objects.filter(state="forming").exists()

    def sense(user: str) -> dict[str, Any]:
        assert "- cable-knit: work like: Knit a woollen scarf" in user
        return {"complexity": 0.2, "confidence": 0.9, "domain": "cable-knit", "tools": []}

    named = done(workspace_id, knit("cap"), sense=sense)

    assert sensed_of(named).domain == "cable-knit"  # a model may name it from now on
    assert_all_let_go()


def test_goals_of_a_known_kind_make_no_domain_and_move_its_centroid(workspace_id: str) -> None:
    done(workspace_id, "Debug a Python program")
    code = Domain.objects.get(slug="code")
    assert code.centroid is not None
    start = [float(x) for x in code.centroid]

    for what in ("script", "module", "parser", "server", "client", "test"):
        done(workspace_id, f"Debug a Python {what} and review its source code")

    code.refresh_from_db()
    assert code.centroid is not None
    assert code.task_n == 7
    assert domains.cosine(start, [float(x) for x in code.centroid]) < 0.999
    assert not Domain.objects.filter(origin="learned").exists()


def test_a_domain_is_born_in_its_own_workspace_alone(workspace_id: str) -> None:
    other = make_tenant().workspace_id
    for what in KNITTED[: domains.BORN_AT - 1]:
        done(workspace_id, knit(what))

    done(other, knit(KNITTED[domains.BORN_AT - 1]))

    assert not Domain.objects.filter(state="active", origin="learned").exists()
    assert Domain.objects.get(workspace_id=other, origin="learned").task_n == 1
