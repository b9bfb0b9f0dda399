"""A worker's engine with all that is real behind it, in this process."""

from collections.abc import Iterator

import pytest

from cluster.wiring import reactor
from tests.factories.access import make_tenant
from tests.support.wire_server import WireServer


@pytest.fixture
def workspace_id() -> str:
    """Return a workspace with nothing in it."""
    return make_tenant().workspace_id


@pytest.fixture
def model(settings) -> Iterator[WireServer]:
    """Return the model that every agent, judge and planner of the test asks."""
    with WireServer() as server:
        settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY = server.url, "test-key"
        settings.LOOM_MODEL, settings.LOOM_JUDGE_MODEL = "", ""
        yield server


@pytest.fixture
def live_workspace_id(model: WireServer) -> Iterator[str]:
    """Return a workspace whose tasks are worked on as in a worker process."""
    workspace_id = make_tenant().workspace_id
    engine = reactor()
    engine.start()
    try:
        yield workspace_id
    finally:
        engine.stop()
