"""The local wire-format server, one for all contract tests of models."""

from collections.abc import Iterator

import pytest

from tests.support.wire_server import WireServer


@pytest.fixture(scope="session")
def wire_process() -> Iterator[WireServer]:
    with WireServer() as server:
        yield server


@pytest.fixture
def wire(wire_process: WireServer) -> WireServer:
    """Return the server without a memory of other tests."""
    wire_process.reset()
    return wire_process
