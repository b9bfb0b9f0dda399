"""An embedding endpoint is called in batches, and once for each text it never saw."""

import pytest

from knowledge.embedders.openai_compat import OpenAiEmbedder
from knowledge.services.embeddings import texts_embed
from tests.support.wire_server import WireServer

pytestmark = pytest.mark.django_db


def test_texts_of_a_workspaces_life_take_a_tenth_of_the_calls():
    memories = [f"Customer {n} weaves pattern {n * 7}." for n in range(200)]
    goals = [f"What does customer {n} weave?" for n in range(20)]
    lives = [memories, memories, *([goal] for goal in goals for _ in range(3)), memories[:50]]

    with WireServer() as server:
        embedder = OpenAiEmbedder(model="local", base_url=server.url, api_key="none")
        _ = embedder.dim
        before = server.state.counts["embeddings"]
        for texts in lives:
            vectors = texts_embed(texts=texts, embedder=embedder)
            assert len(vectors) == len(texts)
        calls = server.state.counts["embeddings"] - before
        embedder.close()

    assert calls == 4 + len(goals)  # 200 new memories in batches of 64; each goal once
    assert calls <= 0.1 * sum(map(len, lives))
