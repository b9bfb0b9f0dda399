"""What is said of endpoints: never more than is known."""

from datetime import UTC, datetime

import pytest

from agents.models import Endpoint
from agents.selectors.health import OPENS_AT, Calls, endpoints_health
from loomsite.access.models import Workspace

pytestmark = pytest.mark.django_db

_ENV, _OLLAMA = "https://models.example.com/v1", "http://127.0.0.1:11434/v1"
_ROWLESS = {"environment": _ENV, "ollama": _OLLAMA, "extractive": ""}


def _states(calls: dict[str, int], failing: dict[str, int] | None) -> dict[str, str]:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    told = {slug: Calls(count=count, last_at=at, model="m") for slug, count in calls.items()}
    found = endpoints_health(workspace_ids=None, calls=told, failing=failing, rowless=_ROWLESS)
    return {each.slug: each.state for each in found}


@pytest.mark.parametrize(
    ("count", "failing", "said"),
    [
        (3, {}, "up"),
        (0, {}, "idle"),
        (3, {_ENV: 1}, "failing"),
        (3, {_ENV: OPENS_AT}, "down"),
        (3, {_OLLAMA: OPENS_AT}, "up"),
        (3, None, "unknown"),
    ],
)
def test_an_endpoint_without_a_row_is_judged_by_its_address(count, failing, said) -> None:
    assert _states({"environment": count}, failing) == {"environment": said}


@pytest.mark.parametrize("failing", [{}, None])
def test_the_reader_is_built_in_and_an_endpoint_that_is_gone_is_not_up(failing) -> None:
    assert _states({"extractive": 2, "left": 5}, failing) == {
        "extractive": "built in",
        "left": "removed",
    }


def test_those_in_trouble_come_first_and_rows_keep_their_state() -> None:
    home = Workspace.objects.create(slug="alpha")
    for slug, enabled in (("mine", True), ("resting", False)):
        Endpoint.objects.create(
            workspace=home, slug=slug, base_url=f"https://{slug}.example.com/v1", enabled=enabled
        )

    found = _states({"mine": 1, "ollama": 1}, {_OLLAMA: OPENS_AT})

    assert list(found.items()) == [("ollama", "down"), ("mine", "up"), ("resting", "off")]
