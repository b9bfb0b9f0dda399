"""An auction can be read, and held again from what is stored."""

import pytest

from cluster.models import AgentNode, Auction, Bid, Calibration
from cluster.services.population import nodes_ensure
from tests.factories.access import Tenant, make_tenant
from tests.factories.agents import make_agent
from tests.factories.cluster import FakeWorld, submit, work

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


def held(tenant: Tenant) -> str:
    """Let a few agents bid for three tasks; return the last one's id."""
    for slug in ("ada", "bob", "cy"):
        make_agent(tenant.workspace_id, slug=slug)
    nodes_ensure(workspace_id=tenant.workspace_id)
    AgentNode.objects.filter(agent__slug="cy").update(slots=3, busy=2)
    ids = [submit(tenant.workspace_id, max_cycles=1) for _ in range(3)]
    work(FakeWorld(replies={"judge": {"score": 0.8, "comment": ""}}))
    return ids[-1]


def read(tenant: Tenant, path: str) -> dict:
    response = tenant.client().get(f"/api/v1/{path}")
    assert response.status_code == 200
    return response.json()


def test_every_term_of_a_bid_is_told_and_they_add_up(tenant: Tenant) -> None:
    (auction,) = read(tenant, f"tasks/{held(tenant)}/auction")["results"]

    assert auction["replays"] is True
    assert auction["winner"] in auction["reason"]
    assert len(auction["bids"]) == 3
    for bid in auction["bids"]:
        taken = bid["cost_term"] + bid["wait_term"] + bid["load_term"]
        assert bid["bid"] == pytest.approx(bid["quality"] - taken)
        assert 0 < bid["low"] < bid["chance"] < bid["high"] < 1
    loads = {bid["agent"]: bid["load_term"] for bid in auction["bids"]}
    assert loads["cy"] == pytest.approx(0.03 * 2 / 3)


@pytest.mark.parametrize("change", ["bid", "mean", "busy", "seed", "terms", "left_out"])
def test_rows_that_were_changed_do_not_replay(tenant: Tenant, change: str) -> None:
    task_id = held(tenant)
    row = Auction.objects.get(task_id=task_id)
    bid = Bid.objects.filter(auction=row).order_by("rank")[0]
    changes = {
        "bid": lambda: Bid.objects.filter(pk=bid.pk).update(bid=bid.bid + 0.01),
        "mean": lambda: Bid.objects.filter(pk=bid.pk).update(mean=bid.mean + 0.1),
        "busy": lambda: Bid.objects.filter(pk=bid.pk).update(busy=bid.busy + 1, slots=4),
        "seed": lambda: Auction.objects.filter(pk=row.pk).update(seed="nothing of the kind"),
        "terms": lambda: Auction.objects.filter(pk=row.pk).update(terms={"unknown": 1}),
        "left_out": lambda: Auction.objects.filter(pk=row.pk).update(left_out=500),
    }

    changes[change]()

    (auction,) = read(tenant, f"tasks/{task_id}/auction")["results"]
    assert auction["replays"] is False


def test_how_forecasts_came_true_is_told_by_tenths_and_of_ones_own_workspace(
    tenant: Tenant,
) -> None:
    held(tenant)

    told = read(tenant, "rewards/reliability")

    assert told["n"] == 3 == sum(each["n"] for each in told["bins"])
    assert told["came"] == pytest.approx(0.8)
    assert sum(row.n for row in Calibration.objects.all()) == 3
    for each in told["bins"]:
        assert each["low"] <= each["forecast"] <= each["high"]
    assert read(make_tenant(), "rewards/reliability")["n"] == 0
