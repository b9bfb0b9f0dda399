"""What a run may search."""

import pytest

from agents.assembly.adapters import collections_allowed


@pytest.mark.parametrize(
    ("agent", "request_", "allowed"),
    [
        ([], (), None),
        (["a"], (), ("a",)),
        ([], ("b",), ("b",)),
        (["a", "b"], ("b", "c"), ("b",)),
        (["a"], ("b",), ()),
    ],
)
def test_the_request_narrows_the_agent_which_narrows_the_workspace(agent, request_, allowed):
    assert collections_allowed(agent, request_) == allowed
