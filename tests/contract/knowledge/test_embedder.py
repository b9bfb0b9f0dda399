"""What every `Embedder` promises; an endpoint is a server here that speaks its format."""

import json
import math
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from knowledge.core.errors import EmbeddingUnavailable
from knowledge.embedders.minilm import MiniLmEmbedder
from knowledge.embedders.openai_compat import OpenAiEmbedder
from knowledge.testing import WordEmbedder

MINILM = MiniLmEmbedder()


class Endpoint(BaseHTTPRequestHandler):
    """POST /v1/embeddings; the model's name says how it behaves."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body["model"] == "missing":
            self._answer(404, {"error": {"message": "no such model"}})
            return
        vectors = [[10 * x for x in v] for v in WordEmbedder().embed(body["input"])]
        rows = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)]
        rows.reverse()
        if body["model"] == "short":
            rows.pop()
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        self._answer(200, {"object": "list", "data": rows, "model": "m", "usage": usage})

    def _answer(self, status, value):
        payload = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def endpoint_url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["minilm", "endpoint", "words"])
def embedder(request, endpoint_url):
    if request.param == "endpoint":
        made = OpenAiEmbedder(model="words", base_url=endpoint_url, api_key="k")
        yield made
        made.close()
    else:
        yield MINILM if request.param == "minilm" else WordEmbedder()


def test_vectors_are_of_the_dimension_said_and_of_unit_length(embedder):
    vectors = embedder.embed(["A loom weaves.", "", "x" * 50_000, "東京 🎉 \u202e"])

    assert [len(vector) for vector in vectors] == [embedder.dim] * 4
    assert [math.hypot(*vector) for vector in vectors] == pytest.approx([1.0] * 4, abs=1e-3)


def test_vectors_come_in_order_whatever_the_lengths(embedder):
    texts = ["sail " * 90, "loom", "the wind blows over the sea", "sail"]

    together = embedder.embed(texts)

    for text, vector in zip(texts, together, strict=True):
        (alone,) = embedder.embed([text])
        assert sum(a * b for a, b in zip(alone, vector, strict=True)) > 0.99


def test_no_texts_give_no_vectors(embedder):
    assert embedder.embed([]) == []


def test_texts_that_mean_the_same_are_near(embedder):
    query, near, far = embedder.embed(["weaving a cloth", "cloth weaving", "sea wind"])

    def product(a, b):
        return sum(x * y for x, y in zip(a, b, strict=True))

    assert product(query, near) > product(query, far)


@pytest.mark.parametrize(
    ("model", "says", "retryable"),
    [("missing", "404", False), ("short", "gave 1 vectors for 2", False)],
)
def test_an_endpoint_that_gives_no_usable_vectors_says_so(endpoint_url, model, says, retryable):
    embedder = OpenAiEmbedder(model=model, base_url=endpoint_url, api_key="k")

    with pytest.raises(EmbeddingUnavailable, match=says) as caught:
        embedder.embed(["a", "b"])

    assert caught.value.retryable is retryable
    embedder.close()


def test_an_endpoint_that_is_down_is_worth_another_try():
    embedder = OpenAiEmbedder(model="m", base_url="http://127.0.0.1:9/v1", api_key="k")

    with pytest.raises(EmbeddingUnavailable, match="did not answer") as caught:
        embedder.embed(["a"])

    assert caught.value.retryable
    embedder.close()
