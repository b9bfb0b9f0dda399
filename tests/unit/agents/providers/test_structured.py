"""What counts as a JSON object in a model's reply."""

import pytest

from agents.providers.structured import object_in


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_a_number_that_is_none_is_no_json(number: str) -> None:
    assert object_in(f'{{"score": {number}}}') is None


def test_the_first_object_that_is_json_counts() -> None:
    assert object_in('Well: {"score": NaN} or rather {"score": 0.5}!') == {"score": 0.5}
