"""Which skills a goal calls for: by a word, by a pattern, by meaning."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agents.core.patterns import linear_search
from agents.core.ports import TextEmbedder
from agents.skills.loader import Skill

NEAR = 0.45  # from here on a goal and a description are about the same
MAX_GOAL_CHARS = 4_000
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """Why a skill is called for; the higher the score, the surer."""

    skill: Skill
    by: Literal["keyword", "pattern", "meaning"]
    score: float


class Triggers:
    """Match goals against skills; what can be prepared is prepared once.

    Args:
        embedder: For triggers by meaning; none leaves them out.
    """

    def __init__(self, skills: Sequence[Skill], embedder: TextEmbedder | None = None) -> None:
        self._skills = tuple(skills)
        self._patterns = [linear_search(skill.patterns) for skill in self._skills]
        self._embedder = embedder
        self._vectors: list[list[float]] | None = None

    async def match(self, goal: str) -> list[Trigger]:
        """Return the skills a goal calls for, surest first; each once, by its surest trigger."""
        text = goal[:MAX_GOAL_CHARS]
        words = f" {' '.join(_WORD.findall(text.casefold()))} "
        found: list[Trigger] = []
        for skill, in_text in zip(self._skills, self._patterns, strict=True):
            if any(_phrase(keyword) in words for keyword in skill.keywords):
                found.append(Trigger(skill=skill, by="keyword", score=1.0))
            elif in_text(text):
                found.append(Trigger(skill=skill, by="pattern", score=1.0))
        found += await self._by_meaning(text, {trigger.skill.name for trigger in found})
        return sorted(found, key=lambda trigger: (-trigger.score, trigger.skill.name))

    async def _by_meaning(self, text: str, matched: set[str]) -> list[Trigger]:
        if self._embedder is None or not self._skills:
            return []
        if self._vectors is None:
            self._vectors = await self._embedder.embed([s.description for s in self._skills])
        (asked,) = await self._embedder.embed([text])
        near = [sum(a * b for a, b in zip(asked, v, strict=True)) for v in self._vectors]
        return [
            Trigger(skill=skill, by="meaning", score=score)
            for skill, score in zip(self._skills, near, strict=True)
            if score >= NEAR and skill.name not in matched
        ]


def _phrase(keyword: str) -> str:
    return f" {' '.join(_WORD.findall(keyword.casefold()))} "
