import pytest

from knowledge.checks import embedding_endpoint


@pytest.mark.parametrize(
    ("model", "base_url", "errors"),
    [("", "", 0), ("none", "", 0), ("some-model", "http://x/v1", 0), ("some-model", "", 1)],
)
def test_an_embedding_model_that_nobody_serves_is_an_error(settings, model, base_url, errors):
    settings.LOOM_EMBEDDING_MODEL = model
    settings.OPENAI_BASE_URL = base_url
    settings.OPENAI_API_KEY = ""

    assert len(embedding_endpoint()) == errors
