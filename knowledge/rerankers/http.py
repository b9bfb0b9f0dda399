"""A reranker behind the `/rerank` request that Cohere, Jina, vLLM, TEI and llama.cpp understand."""

import math
from collections.abc import Sequence
from typing import Any, cast

import httpx2

from knowledge.core.errors import RerankUnavailable

_TIMEOUT_S = 10.0
_MAX_CHARS = 8_000  # of a passage; longer ones are judged by their beginning
_MAX_ANSWER = 2_000_000


class HttpReranker:
    """Score passages against a query at an endpoint.

    Args:
        url: Of the endpoint; `/rerank` is added unless it ends in it.
        model: As the endpoint calls it; may be empty where it serves only one.
    """

    def __init__(self, *, url: str, model: str, api_key: str) -> None:
        self._url = url if url.rstrip("/").endswith("rerank") else url.rstrip("/") + "/rerank"
        self._model = model
        self._client = httpx2.Client(
            timeout=_TIMEOUT_S,
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
        )

    def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return a score for each text; the larger, the better it answers the query.

        Raises:
            RerankUnavailable: No usable scores came back.
        """
        body: dict[str, Any] = {
            "query": query[:_MAX_CHARS],
            "documents": [text[:_MAX_CHARS] for text in texts],
            "top_n": len(texts),
            "return_documents": False,
        }
        if self._model:
            body["model"] = self._model
        try:
            reply = self._client.post(self._url, json=body)
            if reply.status_code != httpx2.codes.OK:
                raise RerankUnavailable(f"the reranker answered {reply.status_code}")
            if len(reply.content) > _MAX_ANSWER:
                raise RerankUnavailable("the reranker's answer is too long")
            value: object = reply.json()
        except httpx2.HTTPError as error:
            raise RerankUnavailable(
                f"the reranker did not answer ({type(error).__name__})"
            ) from error
        except ValueError as error:
            raise RerankUnavailable("the reranker's answer is no JSON") from error
        return _scores(value, count=len(texts))

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()


def _scores(value: object, *, count: int) -> list[float]:
    """Read `{"results": [{"index", "relevance_score"}]}`; a text left out has the lowest score."""
    results = cast("dict[str, object]", value).get("results") if isinstance(value, dict) else value
    found: dict[int, float] = {}
    for item in cast("list[object]", results) if isinstance(results, list) else []:
        entry = cast("dict[str, object]", item) if isinstance(item, dict) else {}
        index, score = entry.get("index"), entry.get("relevance_score", entry.get("score"))
        if isinstance(index, int) and isinstance(score, int | float) and math.isfinite(score):
            found[index] = float(score)
    found = {index: score for index, score in found.items() if 0 <= index < count}
    if not found:
        raise RerankUnavailable("the reranker gave no scores")
    lowest = min(found.values())
    return [found.get(index, lowest) for index in range(count)]
