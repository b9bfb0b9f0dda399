"""L3, what outlives a session: how entries are scored, and how they reach the window."""

from collections.abc import Sequence
from datetime import datetime

from agents.core.context import Snippet
from agents.core.ports import Knowledge, MemoryStore

HALF_LIFE_DAYS = 30.0
WEIGHTS = {"meaning": 0.6, "words": 0.25, "recency": 0.05, "importance": 0.1}


def score(
    *, meaning: float, words: float, importance: float, created_at: datetime, now: datetime
) -> float:
    """Return how well an entry fits, in [0, 1]; every part is in [0, 1].

    Meaning and common words count most; of two alike the newer and the more important wins.
    """
    age_days = max(0.0, (now - created_at).total_seconds() / 86_400)
    recency = 0.5 ** (age_days / HALF_LIFE_DAYS)
    parts = {"meaning": meaning, "words": words, "recency": recency, "importance": importance}
    return sum(WEIGHTS[name] * min(max(part, 0.0), 1.0) for name, part in parts.items())


class MemorySource:
    """The store as a source of context."""

    name = "memory"

    def __init__(self, store: MemoryStore, *, limit: int = 8) -> None:
        self._store, self._limit = store, limit

    async def fetch(self, goal: str, *, session_id: str, limit_tokens: int) -> Sequence[Snippet]:
        del session_id, limit_tokens
        hits = await self._store.recall(goal, limit=self._limit, given=False)
        return [Snippet(text=f"- {hit.text}", score=hit.score, id=hit.id) for hit in hits]

    async def taken(self, snippets: Sequence[Snippet]) -> None:
        """Note what found room in the window: only that can have helped."""
        await self._store.give({snippet.id: snippet.score for snippet in snippets})


class KnowledgeSource:
    """The documents as a source of context, for agents that do not search on their own."""

    name = "knowledge"

    def __init__(self, knowledge: Knowledge, *, limit: int = 6) -> None:
        self._knowledge, self._limit = knowledge, limit

    async def fetch(self, goal: str, *, session_id: str, limit_tokens: int) -> Sequence[Snippet]:
        del session_id, limit_tokens
        passages = await self._knowledge.search(goal, limit=self._limit)
        return [
            Snippet(text=f"{p.title}:\n{p.text}", score=p.score, id=p.chunk_id, passage=p)
            for p in passages
        ]
