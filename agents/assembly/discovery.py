"""What can be learned of an endpoint by asking it: whether it answers, and which models it has."""

import httpx

from agents.core.errors import EndpointUnusable, ModelRefused, ModelUnavailable

OLLAMA_URL = "http://127.0.0.1:11434/v1"
_OLLAMA_TIMEOUT_S = 0.5
_TIMEOUT_S = 10.0
_LISTED_AT_MOST = 20


def models_of(base_url: str, *, api_key: str, timeout_s: float = _TIMEOUT_S) -> list[str]:
    """Return the models that an endpoint lists, in its order; blocks.

    Raises:
        ModelUnavailable: Nobody answers.
        ModelRefused: The endpoint will not say, or says what nobody understands.
    """
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    url = f"{base_url}/models"
    try:
        response = httpx.get(url, headers=headers, timeout=timeout_s, follow_redirects=False)
    except httpx.HTTPError as error:
        raise ModelUnavailable(f"Nobody answers at {base_url}: {error}") from None
    if response.is_server_error:
        raise ModelUnavailable(f"{url} answered {response.status_code}.")
    if not response.is_success:
        raise ModelRefused(f"{url} answered {response.status_code}.", status=response.status_code)
    try:
        return [str(entry["id"]) for entry in response.json()["data"] or []]
    except (ValueError, KeyError, TypeError):
        raise ModelRefused(f"{url} answered with no list of models.") from None


def only_model(base_url: str, models: list[str], *, how: str) -> str:
    """Return the only model of an endpoint.

    Raises:
        EndpointUnusable: There is none, or there are several: the message lists them.
    """
    if len(models) == 1:
        return models[0]
    if not models:
        raise EndpointUnusable(f"The endpoint {base_url} lists no model. {how}")
    named = ", ".join(models[:_LISTED_AT_MOST])
    more = f" and {len(models) - _LISTED_AT_MOST} more" if len(models) > _LISTED_AT_MOST else ""
    raise EndpointUnusable(f"The endpoint {base_url} has several models: {named}{more}. {how}")


def ollama_models() -> list[str] | None:
    """Return the models of this machine's Ollama, or None when none answers; blocks briefly."""
    try:
        return models_of(OLLAMA_URL, api_key="", timeout_s=_OLLAMA_TIMEOUT_S)
    except (ModelUnavailable, ModelRefused):
        return None
