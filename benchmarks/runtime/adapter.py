"""Our agent as a peer of the framework benchmark, built as the cluster builds its agents.

Gate, quotas, events, memory, context and interceptors are on.
"""
# ruff: noqa: ANN401, FBT001, FBT002 -- the shape is the benchmark's, and it is untyped

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from adapters.base import SYSTEM, TOOL_DOC, Adapter, add_ok, add_raise  # pyright: ignore[reportMissingImports] -- the benchmark's own package, on the path of its worker  # pyright: ignore[reportMissingImports] -- as above


class Peer(Adapter):
    """The eight methods that the benchmark's worker calls."""

    dists = ("openai",)

    def load(self) -> None:
        from agents import build  # noqa: PLC0415 -- the import is measured
        from agents.core import events, interceptors, runtime  # noqa: PLC0415 -- as above
        from agents.providers import openai_compat  # noqa: PLC0415 -- as above
        from agents.tools import policy, registry  # noqa: PLC0415 -- as above

        self.build, self.runtime, self.events = build, runtime, events
        self.provider, self.interceptors, self.policy = openai_compat, interceptors, policy
        define: Callable[..., Any] = registry.define_tool
        self.tools = {
            "ok": define(add_ok, name="add", description=TOOL_DOC),
            "raise": define(add_raise, name="add", description=TOOL_DOC),
        }
        self.audited: list[object] = []

    def make_client(self, base_url: str) -> Any:
        return self.provider.OpenAIProvider("fake", base_url=base_url, api_key="sk-fake")

    def make_agent(
        self, client: Any, tool: str = "ok", stream: bool = False, max_steps: int | None = 50
    ) -> Any:
        del stream
        return self._agent(client, tool, max_steps)

    def _agent(self, client: Any, tool: str, max_steps: int | None, **memory: Any) -> Any:
        limits = {} if max_steps is None else {"max_steps": max_steps}
        kept = self.interceptors
        return self.build.build_agent(
            provider=client,
            config=self.runtime.AgentConfig(name="bench", instructions=SYSTEM, **limits),
            tools=[self.tools[tool]],
            memory=_Memory(),
            interceptors=[kept.Audit(self._audit), kept.RedactSecrets()],
            events=self.events.EventBus(),
            **memory,
        )

    def _audit(self, entry: object) -> None:
        self.audited[:] = [entry]

    def _gate(self) -> Any:
        return _Gate(self.policy)

    async def run(self, agent: Any, prompt: str) -> str:
        return (await agent.run(prompt, gate=self._gate())).text

    async def run_stream(self, agent: Any, prompt: str) -> tuple[str, int]:
        deltas, text = 0, ""
        async for event in agent.stream(prompt, gate=self._gate()):
            match event.type:
                case "text_delta":
                    deltas += 1
                case "done":
                    text = event.text
                case "error":
                    raise RuntimeError(f"{event.code}: {event.message}")
                case _:
                    pass
        return text, deltas

    def make_session_agent(self, client: Any) -> Any:
        return self._agent(client, "ok", 50, **self.session_options)

    session_options: dict[str, Any] = {"compact": False}

    def new_session(self, agent: Any) -> str:
        del agent
        return "bench"

    async def turn(self, agent: Any, session: str, prompt: str) -> str:
        result = await agent.run(prompt, session=session, gate=self._gate())
        return result.text


class Compacting(Peer):
    """The same with the window on."""

    session_options = {"window_tokens": 600, "notes_tokens": 400}


class Journaled(Peer):
    """The same with journal and wallet on, both in memory: what they cost the runtime itself."""

    async def run(self, agent: Any, prompt: str) -> str:
        config, world = agent.config, agent.provider.world
        run_id = world.new_id()
        request = self.types.RunRequest(
            run_id=run_id,
            workspace_id=config.workspace,
            agent_id=config.name,
            task_id=run_id,
            root_task_id=run_id,
            goal=prompt,
        )
        result = await agent.execute(
            request, journal=self.testing.MemoryJournal(), wallet=_Wallet(), gate=self._gate()
        )
        if result.stop != "answered":
            raise RuntimeError(f"{result.error_code}: {result.error_message}")
        return result.text

    def load(self) -> None:
        super().load()
        from agents import testing  # noqa: PLC0415 -- the import is measured
        from agents.core import types  # noqa: PLC0415 -- as above

        self.testing, self.types = testing, types


class _Wallet:
    """Sums what calls cost."""

    def __init__(self) -> None:
        self.spent_usd = Decimal(0)

    async def reserve(self, *, key: str, request: Any, profile: Any) -> None:
        pass

    async def settle(self, *, key: str, usage: Any, served: Any = None) -> None:
        del key, served
        self.spent_usd += usage.cost_usd


class _Memory:
    """A store of what outlives a run that holds nothing yet; it is asked before each run."""

    async def remember(
        self, text: str, *, kind: str = "fact", importance: float = 0.5, key: str = ""
    ) -> str:
        raise NotImplementedError("no case of the benchmark remembers")

    async def recall(self, query: str, *, limit: int = 8, given: bool = True) -> list[Any]:
        del query, limit, given
        return []

    async def give(self, scores: Any) -> None:
        raise NotImplementedError("nothing is recalled")


class _Gate:
    """A scene that allows reading, asked on every call."""

    def __init__(self, policy: Any) -> None:
        self._decide = policy.decide
        self._scenes = (policy.Scene(name="read", allow_tags=frozenset({"read"})),)

    async def decide(self, *, call: Any, tool: Any) -> tuple[str, str]:
        return self._decide(call, tool, self._scenes)
