"""Filling the window: sources share a token budget by what of theirs was used before."""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from agents.core.ports import Assembled, Passage
from agents.core.types import Json, Snippet

SMALLEST_SHARE = 0.05  # a source nobody used lately still gets a chance to prove useful
LEARNING = 0.2  # the weight of the latest answer
HEADING_TOKENS = 8
MARKER_TOKENS = 4
_WORD = re.compile(r"\w{4,}")


class ContextSource(Protocol):
    """Memory, knowledge, a hand-off, or anything else worth reading before an answer."""

    name: str

    async def fetch(self, goal: str, *, session_id: str, limit_tokens: int) -> Sequence[Snippet]:
        """Return pieces, best first; more than fit may be returned."""
        ...


@runtime_checkable
class NotingSource(Protocol):
    """A source that wants to know which of its pieces found room."""

    async def taken(self, snippets: Sequence[Snippet]) -> None: ...


@dataclass(slots=True)
class _Filled:
    """One source's part of the window."""

    name: str
    offered: Sequence[Snippet]
    problem: str = ""
    kept: list[Snippet] = field(default_factory=list[Snippet])
    left: list[Snippet] = field(default_factory=list[Snippet])
    tokens: int = 0


class Weights(Protocol):
    """What earlier runs of an agent taught, and what this one adds to it."""

    def learned(self) -> Mapping[str, float]:
        """Return the weight of each source that is known."""
        ...

    def used(self, fractions: Mapping[str, float]) -> None:
        """Take in how much of each source's text an answer used, in [0, 1]."""
        ...


class LocalWeights:
    """Weights that live as long as this object; what is used is taken to have helped."""

    def __init__(self, start: Mapping[str, float] | None = None) -> None:
        self._weights = dict(start or {})

    def learned(self) -> Mapping[str, float]:
        return self._weights

    def used(self, fractions: Mapping[str, float]) -> None:
        self._weights = weighed(self._weights, fractions, helped=1.0)


def weighed(
    weights: Mapping[str, float], used: Mapping[str, float], *, helped: float
) -> dict[str, float]:
    """Return the weights after one more answer.

    Args:
        weights: Before it.
        used: How much of each source's text the answer used, in [0, 1].
        helped: What the answer was worth, in [0, 1]: use for a bad answer speaks for nothing.
    """
    return dict(weights) | {
        name: (1 - LEARNING) * weights.get(name, 1.0) + LEARNING * fraction * helped
        for name, fraction in used.items()
    }


class ContextOrchestrator:
    """Assemble text from sources within a budget.

    A source's share starts even and follows what answers used of its text and were worth, not what
    the source says of itself. What one source leaves of its share goes to the others. A source that
    fails is left out and the report says so.

    Args:
        sources: With distinct names; their order is the order in the window.
        shares: Where the shares start; even when left out.
        weights: Where what was learned is kept; in this object when left out.
        timeout_s: For each source.
    """

    def __init__(
        self,
        sources: Sequence[ContextSource],
        *,
        shares: Mapping[str, float] | None = None,
        weights: Weights | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        names = [source.name for source in sources]
        if len(set(names)) != len(names):
            raise ValueError(f"Two sources have one name: {', '.join(sorted(names))}.")
        self._sources = tuple(sources)
        self._timeout_s = timeout_s
        self._weights = weights or LocalWeights(shares)

    @property
    def shares(self) -> dict[str, float]:
        """Return each source's part of the budget, of those in use so far; together they are 1."""
        learned = self._weights.learned()
        return self._shares([*(source.name for source in self._sources), *learned])

    def _shares(self, names: Iterable[str]) -> dict[str, float]:
        learned = self._weights.learned()
        weights = {name: max(learned.get(name, 1.0), 1e-6) for name in names}
        total = sum(weights.values()) or 1.0
        floored = {n: max(w / total, SMALLEST_SHARE) for n, w in weights.items()}
        whole = sum(floored.values()) or 1.0
        return {name: share / whole for name, share in floored.items()}

    async def assemble(
        self,
        goal: str,
        *,
        session_id: str,
        budget_tokens: int,
        count: Callable[[str], int],
        offers: Mapping[str, Sequence[Snippet]] = MappingProxyType({}),
    ) -> Assembled:
        """Return what fits; `offers` are sources of this run alone and stand behind the others."""
        brought = [_Filled(name, pieces) for name, pieces in offers.items() if pieces]
        fetched: list[_Filled] = []
        if budget_tokens > 0:
            fetched = await asyncio.gather(
                *(self._fetch(source, goal, session_id, budget_tokens) for source in self._sources)
            )
        filled = [*fetched, *brought]
        if not filled:
            return Assembled()
        seen: set[str] = set()
        shares = self._shares(part.name for part in filled)
        for part in filled:
            _fill(part, int(shares[part.name] * budget_tokens), count, seen)
        spare = budget_tokens - sum(part.tokens for part in filled)
        for part in sorted(filled, key=lambda p: (-shares[p.name], p.name)):
            again, part.left = part.left, []
            offered, part.offered = part.offered, again
            before = part.tokens
            _fill(part, before + spare, count, seen)
            part.offered = offered
            spare -= part.tokens - before
        for source, part in zip(self._sources, fetched, strict=False):
            if part.kept and isinstance(source, NotingSource):
                await self._tell(source, part)
        passages: list[Passage] = []
        parts = tuple((part.name, _written(part, passages)) for part in filled if part.kept)
        text = "\n\n".join(f"## {name}\n{words}" for name, words in parts)
        return Assembled(
            text=text,
            parts=parts,
            report=tuple(_reported(p, shares[p.name]) for p in filled),
            passages=tuple(passages),
        )

    def learn(self, assembled: Assembled, answer: str) -> None:
        said = _words(answer)
        if not said:
            return
        used: dict[str, float] = {}
        for name, text in assembled.parts:
            words = _words(text)
            used[name] = len(words & said) / min(len(words), len(said)) if words else 0.0
        if used:
            self._weights.used(used)

    async def _fetch(
        self, source: ContextSource, goal: str, session_id: str, budget_tokens: int
    ) -> _Filled:
        try:
            async with asyncio.timeout(self._timeout_s):
                offered = await source.fetch(
                    goal, session_id=session_id, limit_tokens=budget_tokens
                )
        except TimeoutError:
            return _Filled(source.name, (), problem=f"no answer within {self._timeout_s:g} s")
        except Exception as error:  # noqa: BLE001 -- a source is foreign code: the run goes on without it
            return _Filled(source.name, (), problem=f"{type(error).__name__}: {error}"[:200])
        return _Filled(source.name, offered)

    async def _tell(self, source: NotingSource, part: _Filled) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await source.taken(part.kept)
        except Exception as error:  # noqa: BLE001 -- as above; the text is in the window already
            part.problem = f"{type(error).__name__}: {error}"[:200]


def _fill(part: _Filled, limit_tokens: int, count: Callable[[str], int], seen: set[str]) -> None:
    """Take what fits, in order; a text that stands in the window already is taken for granted."""
    for snippet in part.offered:
        text = snippet.text.strip()
        if not text or text in seen:
            continue
        heading = 0 if part.kept else HEADING_TOKENS
        tokens = count(text) + heading + (MARKER_TOKENS if snippet.passage else 0)
        if part.tokens + tokens > limit_tokens:
            part.left.append(snippet)
            continue
        seen.add(text)
        part.kept.append(snippet)
        part.tokens += tokens


def _written(part: _Filled, passages: list[Passage]) -> str:
    """Return a source's text; each passage in it is added to the list, whose length numbers it."""
    texts: list[str] = []
    for snippet in part.kept:
        if snippet.passage is not None:
            passages.append(snippet.passage)
            texts.append(f"[{len(passages)}] {snippet.text}")
        else:
            texts.append(snippet.text)
    return "\n\n".join(texts)


def _reported(part: _Filled, share: float) -> Json:
    why = part.problem or ("over budget" if part.left else "")
    return {
        "source": part.name,
        "share": round(share, 3),
        "tokens": part.tokens,
        "kept": len(part.kept),
        "left_out": len(part.left),
        "why": why,
    }


def _words(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(text)}
