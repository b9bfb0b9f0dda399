"""An agent's memory: the window (L1), the key facts (L2) and the store (L3) put together."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from agents.core.ports import MemoryStore, Opening, SessionStore
from agents.core.transcript import Transcript
from agents.core.types import Message
from agents.memory.compaction import extract
from agents.memory.window import overflow, tokens_of
from agents.memory.working import Fact, WorkingMemory, facts_in

MAX_SESSIONS = 1_000
FACTS = "\n\nKey facts:\n"
KEPT_IMPORTANCE = 0.7  # of facts that were important enough to be stored


@dataclass(slots=True)
class _Conversation:
    """A session as it is held between runs; only what is new is ever looked at."""

    transcript: Transcript = field(default_factory=Transcript)
    sizes: list[int] = field(default_factory=list[int])
    summary: str = ""
    facts: WorkingMemory = field(default_factory=WorkingMemory)


class AgentMemory:
    """`Memory` for an agent.

    Without a session store conversations live in this process, the latest `MAX_SESSIONS` of them.

    Args:
        count: Counts tokens, e.g. the provider's `count`.
        window_tokens: When the turns are longer, the oldest are compacted until half of it is left.
        notes_tokens: For the summary and the key facts together.
        compact: False keeps every turn for ever.
        recall_limit: How many entries of the store are recalled for a goal; 0 for none.
    """

    def __init__(
        self,
        *,
        count: Callable[[str], int],
        store: MemoryStore | None = None,
        sessions: SessionStore | None = None,
        window_tokens: int = 8_000,
        notes_tokens: int = 600,
        compact: bool = True,
        recall_limit: int = 5,
    ) -> None:
        self._count = count
        self._store = store
        self._sessions = sessions
        self._window_tokens = window_tokens
        self._notes_tokens = notes_tokens
        self._compact = compact
        self._recall_limit = recall_limit
        self._held: OrderedDict[str, _Conversation] = OrderedDict()

    async def opening(self, session_id: str, goal: str) -> Opening:
        notes: list[str] = []
        history = Transcript()
        if session_id:
            held = await self._conversation(session_id)
            history = held.transcript
            notes += self._notes(held)
        if self._store is not None and self._recall_limit:
            hits = await self._store.recall(goal, limit=self._recall_limit)
            if hits:
                lines = "\n".join(f"- {hit.text}" for hit in hits)
                notes.append(f"Remembered from before:\n{lines}")
        return Opening(history=history, notes="\n\n".join(notes))

    async def keep(self, session_id: str, *, run_id: str, messages: Sequence[Message]) -> None:
        if not session_id:
            return
        held = await self._conversation(session_id)
        if self._sessions is not None:
            await self._sessions.append(session_id, run_id=run_id, messages=messages)
        self._add(held, messages)
        if self._compact and sum(held.sizes) > self._window_tokens:
            await self._shrink(session_id, held)

    async def _conversation(self, session_id: str) -> _Conversation:
        if self._sessions is None:
            held = self._held.setdefault(session_id, _Conversation())
            self._held.move_to_end(session_id)
            if len(self._held) > MAX_SESSIONS:
                self._held.popitem(last=False)
            return held
        # Another process may have gone on with it: the store is the truth.
        state = await self._sessions.load(session_id)
        summary, _, facts = state.summary.partition(FACTS)
        held = _Conversation(summary=summary)
        for line in facts.splitlines():
            held.facts.add(Fact(text=line.removeprefix("- "), importance=KEPT_IMPORTANCE))
        self._add(held, state.messages)
        return held

    def _add(self, held: _Conversation, messages: Sequence[Message]) -> None:
        held.transcript.extend(
            messages if isinstance(messages, Transcript) else Transcript(messages)
        )
        for message in messages:
            held.sizes.append(tokens_of(message, self._count))
            if message.role == "user":
                for fact in facts_in(message.content):
                    held.facts.add(fact)

    async def _shrink(self, session_id: str, held: _Conversation) -> None:
        dropped = overflow(held.sizes, held.transcript, keep_tokens=self._window_tokens // 2)
        if not dropped:
            return
        held.summary = extract(
            held.summary,
            held.transcript[:dropped],
            max_tokens=self._notes_tokens // 2,
            count=self._count,
        )
        held.transcript = held.transcript.since(dropped)
        del held.sizes[:dropped]
        if self._sessions is not None:
            await self._sessions.compact(session_id, summary=self._kept(held), dropped=dropped)

    def _notes(self, held: _Conversation) -> list[str]:
        """Return what stays of turns that are no longer in the window."""
        return [f"Earlier in this conversation:\n{self._kept(held)}"] if held.summary else []

    def _kept(self, held: _Conversation) -> str:
        """Return the summary with the key facts behind it, which is how a store keeps them."""
        facts = held.facts.text(max_tokens=self._notes_tokens // 2, count=self._count)
        return held.summary + FACTS + facts if facts else held.summary
