"""An agent of the runtime made from an agent's version: its tools, its gate, its limits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, cast

from agents.assembly.mcp_servers import McpServers
from agents.assembly.mcp_tools import McpGrant, McpTool
from agents.assembly.mcp_values import McpServer
from agents.assembly.scope import (
    ScopedKnowledge,
    ScopedMemory,
    ScopedSessions,
    ScopedSkills,
    ScopedWeights,
)
from agents.build import build_agent
from agents.core.interceptors import AnswerLanguage, Audit, ContentFilter, RedactSecrets
from agents.core.ports import Interceptor, ModelProvider, TextEmbedder, Tool
from agents.core.runtime import Agent, AgentConfig
from agents.core.types import ToolSpec
from agents.models import McpConnection
from agents.models import Scene as SceneRow
from agents.models import Tool as ToolRow
from agents.skills.loader import Skill
from agents.store.audit import model_call_noted
from agents.store.gate import Decide
from agents.tools.calculator import calculator_tool
from agents.tools.delegate import delegate_tool
from agents.tools.done import done_tool
from agents.tools.files import file_tools
from agents.tools.http_fetch import http_fetch_tool
from agents.tools.policy import Scene, decide
from agents.tools.registry import FunctionTool
from agents.tools.remember import recall_tool, remember_tool
from agents.tools.search_knowledge import NAME as SEARCH_KNOWLEDGE
from agents.tools.search_knowledge import search_knowledge_tool

_AGENTS_AT_MOST = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillText:
    """A skill as it was when its row was last changed."""

    id: str
    changed_at: datetime
    skill: Skill = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """What an agent is built from; equal ones share one built agent.

    Attributes:
        without_skills: For runs that go without them by lot.
    """

    version_id: str
    workspace_id: str
    spec: Mapping[str, Any]
    tools_off: frozenset[str] = frozenset()
    fetch_hosts: tuple[str, ...] = ()
    skills: tuple[SkillText, ...] = ()
    mcp: tuple[McpGrant, ...] = ()
    without_skills: bool = False


class Workshop:
    """Builds agents, and keeps what it built: runs share no state, so many may use one agent.

    Args:
        files_root: Where each workspace has a folder for its agents' files.
        listed: Private addresses that pages may be fetched from all the same.
        secrets: What no model may be told, besides what looks like a key.
        embedder: For skills that fit by meaning.
        servers: MCP servers whose tools agents may have.
    """

    def __init__(
        self,
        *,
        files_root: Path,
        listed: Sequence[str],
        secrets: Sequence[str],
        embedder: Callable[[], TextEmbedder],
        servers: McpServers,
    ) -> None:
        self._files_root, self._listed = files_root, tuple(listed)
        self._interceptors = (RedactSecrets(secrets),)
        self._embedder, self._servers = embedder, servers
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
        self._agents: dict[Any, Agent] = {}

    def builtin_specs(self) -> list[ToolSpec]:
        """Return the tools every workspace has, by name."""
        tools = {**self._shared, **self._own_tools("", ())}
        return [tools[name].spec for name in sorted(tools)]

    def agent(self, blueprint: Blueprint, provider: ModelProvider) -> Agent:
        """Return the agent of a version with this provider."""
        key = (
            blueprint.version_id,
            blueprint.tools_off,
            blueprint.fetch_hosts,
            blueprint.skills,
            blueprint.mcp,
            blueprint.without_skills,
            id(provider),
        )
        agent = self._agents.get(key)
        if agent is None or agent.provider is not provider:
            if len(self._agents) >= _AGENTS_AT_MOST:
                self._agents.clear()
            agent = self._agents[key] = self._built(blueprint, provider)
        return agent

    def _built(self, blueprint: Blueprint, provider: ModelProvider) -> Agent:
        spec = blueprint.spec
        # Documents come to an agent that is bound to some and cannot look into them itself.
        given = bool(spec["collections"]) and SEARCH_KNOWLEDGE not in spec["tools"]
        return build_agent(
            provider=provider,
            config=config_of(blueprint),
            tools=self._granted(blueprint),
            memory=ScopedMemory(),
            sessions=ScopedSessions(),
            knowledge=ScopedKnowledge() if given else None,
            interceptors=[*self._interceptors, *interceptors_of(spec)],
            skills=[text.skill for text in blueprint.skills],
            embedder=self._embedder,
            weights=ScopedWeights(),
            shelf=partial(ScopedSkills, withheld=blueprint.without_skills),
        )

    def _granted(self, blueprint: Blueprint) -> list[Tool]:
        own = self._own_tools(blueprint.workspace_id, blueprint.fetch_hosts)
        remote = {grant.spec.name: McpTool(grant, self._servers) for grant in blueprint.mcp}
        known = cast("dict[str, Tool]", {**remote, **self._shared, **own})
        names: Sequence[str] = blueprint.spec["tools"]
        return [known[name] for name in names if name in known and name not in blueprint.tools_off]

    def _own_tools(
        self, workspace_id: str, fetch_hosts: tuple[str, ...]
    ) -> dict[str, FunctionTool]:
        made: list[FunctionTool] = [*file_tools(self._files_root / workspace_id, writable=True)]
        made.append(http_fetch_tool(fetch_hosts, listed=self._listed))
        return {tool.spec.name: tool for tool in made}


def interceptors_of(spec: Mapping[str, Any]) -> list[Interceptor]:
    """Return what a version asks for to see each model call; the audit last, next to the model."""
    chosen: list[Interceptor] = []
    if spec.get("answer_language"):
        chosen.append(AnswerLanguage(spec["answer_language"]))
    if spec.get("filter_patterns"):
        chosen.append(ContentFilter(spec["filter_patterns"]))
    if spec.get("audit"):
        chosen.append(Audit(model_call_noted))
    return chosen


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


def grants_of(tools: Sequence[tuple[ToolRow, McpConnection]]) -> tuple[McpGrant, ...]:
    """Return the tools of MCP servers with what a call of one needs."""
    return tuple(
        McpGrant(
            id=str(tool.pk),
            changed_at=tool.updated_at,
            server=server_of(connection),
            remote_name=tool.remote_name,
            spec=ToolSpec(
                name=tool.name,
                description=tool.description,
                parameters=tool.parameters,
                tags=frozenset(tool.tags),
                effect=tool.effect,
                idempotent=tool.idempotent,
                timeout_s=tool.timeout_s,
            ),
        )
        for tool, connection in tools
    )


def server_of(connection: McpConnection) -> McpServer:
    """Return where a connection leads."""
    started = connection.transport == McpConnection.Transport.STDIO
    return McpServer(
        id=str(connection.pk),
        slug=connection.slug,
        url="" if started else connection.url,
        command=(connection.command, *connection.arguments) if started else (),
        environment=tuple(sorted(connection.environment.items())) if started else (),
        secret=connection.secret,
    )


def policy_of(scenes: Sequence[SceneRow]) -> Decide:
    """Return who may call what: each scene only narrows what the others leave."""
    rules = [
        Scene(
            name=row.slug,
            allow_tags=frozenset(row.allow_tags),
            ask_tags=frozenset(row.ask_tags),
            deny_tags=frozenset(row.deny_tags),
            allow_tools=frozenset(row.allow_tools),
            deny_tools=frozenset(row.deny_tools),
        )
        for row in scenes
    ]
    return partial(decide, scenes=rules)
