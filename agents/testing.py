"""Second implementations of the runtime's ports: in memory and deterministic, for tests."""
# ruff: noqa: ARG002 -- a fake has no use for all that its port offers

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from random import Random

from agents.core.errors import AgentsError, BudgetExceeded, ModelReplyInvalid
from agents.core.ports import (
    MemoryHit,
    ModelDelta,
    ModelReply,
    ModelRequest,
    Passage,
    SessionState,
    World,
)
from agents.core.tokens import TokenCounter
from agents.core.types import (
    EffectRecord,
    Message,
    ModelProfile,
    ServedBy,
    StepRecord,
    ToolCall,
    ToolSpec,
    Usage,
)
from agents.memory import recall

START = datetime(2026, 1, 1, tzinfo=UTC)
Said = Message | ModelReply | AgentsError | str
Script = Said | Callable[[ModelRequest], Said]


def still_world(*, seed: int = 1) -> World:
    """Return a world whose time moves only by sleeping, whose ids are counted: `id-1`."""
    ids, time = count(1), [0.0]

    async def sleep(seconds: float) -> None:
        time[0] += seconds

    return World(
        now=lambda: START + timedelta(seconds=time[0]),
        monotonic=lambda: time[0],
        sleep=sleep,
        new_id=lambda: f"id-{next(ids)}",
        rng=Random(seed),  # noqa: S311 -- chance in tests, not security
    )


def calling(*calls: tuple[str, str], text: str = "") -> Message:
    """Return a reply that calls tools, each as (name, raw arguments)."""
    made = tuple(
        ToolCall(id=f"call-{index}", name=name, arguments=arguments)
        for index, (name, arguments) in enumerate(calls)
    )
    return Message(role="assistant", content=text, tool_calls=made)


class ScriptedProvider:
    """Say what the script says, one entry a call; an error is raised, a function is asked.

    Streams cut each text into words. The last entry answers all further calls.
    """

    def __init__(
        self,
        *script: Script,
        profile: ModelProfile | None = None,
        world: World | None = None,
        usage: Usage | None = None,
    ) -> None:
        self.model = "scripted"
        self.profile = profile or ModelProfile()
        self.world = world or still_world()
        self.count = TokenCounter()
        self.requests: list[ModelRequest] = []
        self.closed = False
        self._script = list(script)
        self._usage = usage or Usage(prompt_tokens=10, completion_tokens=5)

    async def complete(self, request: ModelRequest) -> ModelReply:
        self.requests.append(replace(request, messages=tuple(request.messages)))
        if not self._script:
            raise ModelReplyInvalid("The script is empty.")
        said = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if callable(said):
            said = said(request)
        if isinstance(said, AgentsError):
            raise said
        if isinstance(said, ModelReply):
            return said
        message = Message(role="assistant", content=said) if isinstance(said, str) else said
        finish = "tool_calls" if message.tool_calls else "stop"
        return ModelReply(
            message=message, usage=self._usage, finish_reason=finish, model=self.model
        )

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelDelta]:
        reply = await self.complete(request)
        if reply.message.reasoning:
            yield ModelDelta(reasoning=reply.message.reasoning)
        for word in re.findall(r"\s*\S+", reply.message.content):
            yield ModelDelta(text=word)
        for call in reply.message.tool_calls:
            yield ModelDelta(call_id=call.id, call_name=call.name, call_arguments=call.arguments)
        yield ModelDelta(reply=reply)

    async def close(self) -> None:
        self.closed = True


@dataclass(slots=True)
class MemoryJournal:
    """A journal that outlives its run as long as the test holds it."""

    kept: list[StepRecord] = field(default_factory=list[StepRecord])
    outcomes: dict[str, EffectRecord] = field(default_factory=dict[str, EffectRecord])
    begun: int = 0

    async def begin(self) -> int:
        self.begun += 1
        return self.begun - 1

    async def steps(self) -> list[StepRecord]:
        return list(self.kept)

    async def effects(self) -> list[EffectRecord]:
        return list(self.outcomes.values())

    async def step_record(self, step: StepRecord) -> None:
        if step.index == len(self.kept):
            self.kept.append(step)

    async def effect_begin(
        self, *, key: str, step: int, call: ToolCall, tool: ToolSpec
    ) -> EffectRecord:
        known = self.outcomes.get(key)
        if known is not None and known.state != "approved":
            return known
        edited = known.arguments if known is not None else None
        self.outcomes[key] = EffectRecord(key=key, state="unknown", arguments=edited)
        return known or EffectRecord(key=key, state="new")

    async def effect_end(
        self, *, key: str, step: int, call: ToolCall, ok: bool, result: str, latency_ms: int
    ) -> None:
        known = self.outcomes.get(key)
        if known is None or known.state not in ("done", "failed"):
            state = "done" if ok else "failed"
            self.outcomes[key] = EffectRecord(key=key, state=state, result=result)

    def decide(self, key: str, *, approved: bool, arguments: str | None = None) -> None:
        """Keep what a person answered, and what they made of the call."""
        state = "approved" if approved else "denied"
        self.outcomes[key] = EffectRecord(key=key, state=state, arguments=arguments)


@dataclass(slots=True, kw_only=True)
class FakeWallet:
    """A budget of its own; `reserve` takes a flat price."""

    limit_usd: Decimal = Decimal(1)
    price_usd: Decimal = Decimal("0.01")
    spent_usd: Decimal = Decimal(0)
    reserved: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    settled: dict[str, Usage] = field(default_factory=dict[str, Usage])

    async def reserve(self, *, key: str, request: ModelRequest, profile: ModelProfile) -> None:
        held = sum((v for k, v in self.reserved.items() if k != key), Decimal(0))
        if self.spent_usd + held + self.price_usd > self.limit_usd:
            raise BudgetExceeded("The wallet is empty.", limit="cost")
        self.reserved[key] = self.price_usd

    async def settle(self, *, key: str, usage: Usage, served: ServedBy | None = None) -> None:
        del served
        if self.reserved.pop(key, None) is not None:
            self.spent_usd += usage.cost_usd
            self.settled[key] = usage


@dataclass(slots=True)
class FakeGate:
    """Answer by the tool's name; what is not named is allowed."""

    verdicts: Mapping[str, str] = field(default_factory=dict[str, str])
    asked: list[str] = field(default_factory=list[str])

    async def decide(self, *, call: ToolCall, tool: ToolSpec | None) -> tuple[str, str]:
        self.asked.append(call.name)
        verdict = self.verdicts.get(call.name, "allow")
        return verdict, "" if verdict == "allow" else f"the test says {verdict}"


@dataclass(slots=True)
class FakeKnowledge:
    """Find the passages that share most words with the query."""

    passages: Sequence[Passage] = ()

    async def search(
        self, query: str, *, collection: str | None = None, limit: int = 8
    ) -> list[Passage]:
        asked = _words(query)
        scored = [(len(asked & _words(p.text)), p) for p in self.passages]
        found = sorted((s for s in scored if s[0]), key=lambda s: (-s[0], s[1].chunk_id))
        return [passage for _, passage in found[:limit]]


def passages_from(text: str, *, document_id: str = "doc") -> list[Passage]:
    """Return the paragraphs of a text as passages with their true offsets."""
    found: list[Passage] = []
    for match in re.finditer(r"\S(?:.|\n(?!\s*\n))*", text):
        found.append(
            Passage(
                document_id=document_id,
                chunk_id=f"{document_id}-{len(found)}",
                title="A document",
                text=match.group(),
                start=match.start(),
                end=match.end(),
                score=1.0,
            )
        )
    return found


@dataclass(slots=True, kw_only=True)
class WordEmbedder:
    """Texts with common words are near; the same on every machine."""

    model_id: str = "words"
    dim: int = 64
    texts: int = 0
    calls: int = 0

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        self.calls += 1
        self.texts += len(texts)
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> list[float]:
        values = [0.0] * self.dim
        for word in _words(text):
            values[sum(ord(c) * 31**i for i, c in enumerate(word)) % self.dim] += 1.0
        length = sum(v * v for v in values) ** 0.5
        return [v / length for v in values] if length else [1.0, *values[1:]]


@dataclass(slots=True)
class ListMemory:
    """A memory store in a list."""

    hits: list[MemoryHit] = field(default_factory=list[MemoryHit])
    keys: dict[str, str] = field(default_factory=dict[str, str])
    given: dict[str, float] = field(default_factory=dict[str, float])

    async def remember(
        self, text: str, *, kind: str = "fact", importance: float = 0.5, key: str = ""
    ) -> str:
        if key and key in self.keys:
            return self.keys[key]
        made = f"memory-{len(self.hits)}"
        hit = MemoryHit(
            id=made, text=text, kind=kind, importance=importance, score=0.0, created_at=START
        )
        self.hits.append(hit)
        if key:
            self.keys[key] = made
        return made

    async def recall(self, query: str, *, limit: int = 8, given: bool = True) -> list[MemoryHit]:
        asked = _words(query)
        scored = [
            replace(
                hit,
                score=recall.score(
                    meaning=0.0,
                    words=shared / len(asked),
                    importance=hit.importance,
                    created_at=hit.created_at,
                    now=START,
                ),
            )
            for hit in self.hits
            if (shared := len(asked & _words(hit.text)))
        ]
        best = sorted(scored, key=lambda hit: (-hit.score, hit.id))[:limit]
        if given:
            await self.give({hit.id: hit.score for hit in best})
        return best

    async def give(self, scores: Mapping[str, float]) -> None:
        self.given.update(scores)


@dataclass(slots=True)
class MemorySessions:
    """Sessions in a dictionary."""

    kept: dict[str, SessionState] = field(default_factory=dict[str, SessionState])
    runs: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])

    async def load(self, session_id: str) -> SessionState:
        return self.kept.get(session_id, SessionState())

    async def append(self, session_id: str, *, run_id: str, messages: Sequence[Message]) -> None:
        if (session_id, run_id) in self.runs:
            return
        self.runs.add((session_id, run_id))
        state = await self.load(session_id)
        self.kept[session_id] = replace(state, messages=(*state.messages, *messages))

    async def compact(self, session_id: str, *, summary: str, dropped: int) -> None:
        state = await self.load(session_id)
        self.kept[session_id] = SessionState(summary=summary, messages=state.messages[dropped:])


@dataclass(slots=True)
class MemoryArtifacts:
    """Artifacts in a dictionary."""

    kept: dict[str, str] = field(default_factory=dict[str, str])

    async def put(self, *, key: str, name: str, text: str) -> str:
        self.kept.setdefault(key, text)
        return f"artifact-{key}"


def _words(text: str) -> set[str]:
    return {word.lower() for word in re.findall(r"\w{2,}", text)}
