"""Which model is meant where none is named."""

import pytest

from agents.assembly.discovery import only_model
from agents.core.errors import EndpointUnusable
from tests.requirements import requirement

URL = "http://127.0.0.1:9/v1"


@requirement("environment.model")
def test_the_only_model_of_an_endpoint_needs_no_name():
    assert only_model(URL, ["qwen"], how="Set LOOM_MODEL.") == "qwen"


@requirement("environment.model")
@pytest.mark.parametrize(
    ("models", "said"),
    [
        ([], f"The endpoint {URL} lists no model. Set LOOM_MODEL."),
        (["a", "b"], f"The endpoint {URL} has several models: a, b. Set LOOM_MODEL."),
    ],
)
def test_of_no_model_or_several_none_is_guessed_and_those_there_are_are_listed(models, said):
    with pytest.raises(EndpointUnusable) as caught:
        only_model(URL, models, how="Set LOOM_MODEL.")

    assert str(caught.value) == said


@requirement("environment.model")
def test_of_very_many_models_the_first_are_listed():
    with pytest.raises(EndpointUnusable, match=r"m0, m1, .* and 5 more\."):
        only_model(URL, [f"m{n}" for n in range(25)], how="Set LOOM_MODEL.")
