"""An agent of the runtime made from an agent's version: its tools, its gate, its limits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from agents.assembly.scope import ScopedKnowledge, ScopedMemory
from agents.core.ports import ModelProvider, Tool
from agents.core.runtime import Agent, AgentConfig
from agents.core.types import ToolCall, ToolSpec
from agents.models import Scene as SceneRow
from agents.store.gate import Decide
from agents.tools.calculator import calculator_tool
from agents.tools.delegate import delegate_tool
from agents.tools.done import done_tool
from agents.tools.files import file_tools
from agents.tools.http_fetch import http_fetch_tool
from agents.tools.policy import Rule, Scene, Verdict, decide
from agents.tools.registry import FunctionTool
from agents.tools.remember import recall_tool, remember_tool
from agents.tools.search_knowledge import search_knowledge_tool

_AGENTS_AT_MOST = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """What an agent is built from; equal ones share one built agent."""

    version_id: str
    workspace_id: str
    spec: Mapping[str, Any]
    tools_off: frozenset[str] = frozenset()
    fetch_hosts: tuple[str, ...] = ()


class Workshop:
    """Builds agents, and keeps what it built: runs share no state, so many may use one agent.

    Args:
        files_root: Where each workspace has a folder for its agents' files.
        listed: Private addresses that pages may be fetched from all the same.
    """

    def __init__(self, *, files_root: Path, listed: Sequence[str]) -> None:
        self._files_root, self._listed = files_root, tuple(listed)
        knowledge, memory = ScopedKnowledge(), ScopedMemory()
        tools: list[FunctionTool] = [
            calculator_tool(),
            delegate_tool(),
            done_tool(),
            recall_tool(memory),
            remember_tool(memory),
            search_knowledge_tool(knowledge),
        ]
        self._shared = {tool.spec.name: tool for tool in tools}
        self._agents: dict[tuple[str, frozenset[str], tuple[str, ...], int], Agent] = {}

    def builtin_specs(self) -> list[ToolSpec]:
        """Return the tools every workspace has, by name."""
        tools = {**self._shared, **self._own_tools("", ())}
        return [tools[name].spec for name in sorted(tools)]

    def agent(self, blueprint: Blueprint, provider: ModelProvider) -> Agent:
        """Return the agent of a version with this provider."""
        key = (blueprint.version_id, blueprint.tools_off, blueprint.fetch_hosts, id(provider))
        agent = self._agents.get(key)
        if agent is None or agent.provider is not provider:
            if len(self._agents) >= _AGENTS_AT_MOST:
                self._agents.clear()
            agent = self._agents[key] = Agent(
                provider=provider,
                config=config_of(blueprint),
                tools=cast(list[Tool], self._granted(blueprint)),
            )
        return agent

    def _granted(self, blueprint: Blueprint) -> list[FunctionTool]:
        own = self._own_tools(blueprint.workspace_id, blueprint.fetch_hosts)
        known = {**self._shared, **own}
        names: Sequence[str] = blueprint.spec["tools"]
        return [known[name] for name in names if name in known and name not in blueprint.tools_off]

    def _own_tools(
        self, workspace_id: str, fetch_hosts: tuple[str, ...]
    ) -> dict[str, FunctionTool]:
        made: list[FunctionTool] = [*file_tools(self._files_root / workspace_id, writable=True)]
        made.append(http_fetch_tool(fetch_hosts, listed=self._listed))
        return {tool.spec.name: tool for tool in made}


def config_of(blueprint: Blueprint) -> AgentConfig:
    """Return the runtime's view of a version; what it leaves open keeps the runtime's limits."""
    spec = blueprint.spec
    limits: dict[str, Any] = {}
    if spec["max_tokens"] is not None:
        limits["max_tokens"] = spec["max_tokens"]
    if spec["budget_usd"] is not None:
        limits["max_cost_usd"] = Decimal(spec["budget_usd"])
    return AgentConfig(
        name=spec["slug"],
        instructions=spec["instructions"],
        workspace=blueprint.workspace_id,
        max_steps=spec["max_steps"],
        timeout_s=float(spec["timeout_s"]),
        temperature=spec["temperature"],
        **limits,
    )


def policy_of(scenes: Sequence[SceneRow]) -> Decide:
    """Return who may call what: each scene only narrows what the others leave."""
    rules = [_scene(row) for row in scenes]

    def decided(call: ToolCall, tool: ToolSpec | None) -> tuple[str, str]:
        if tool is None:
            return "deny", f"the agent has no tool {call.name!r}"
        found = decide(tool, rules)
        return found.verdict, found.reason

    return decided


def _scene(row: SceneRow) -> Scene:
    about: list[tuple[Verdict, list[str], list[str]]] = [
        ("allow", row.allow_tags, row.allow_tools),
        ("ask", row.ask_tags, row.ask_tools),
        ("deny", row.deny_tags, row.deny_tools),
    ]
    return Scene(
        name=row.slug,
        rules=tuple(
            rule
            for verdict, tags, tools in about
            for rule in (
                *(Rule(verdict=verdict, tag=tag) for tag in tags),
                *(Rule(verdict=verdict, tool=tool) for tool in tools),
            )
        ),
        default=cast(Verdict, row.default),
    )
