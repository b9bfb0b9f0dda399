"""The settings of the agents app, as one frozen value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentsConf:
    """What the environment says about models, secrets and reach.

    Attributes:
        secrets: The variables that stored references may name: those that begin LOOM_SECRET_.
        mcp_commands: The command lines that may be started as MCP servers.
        egress_listed: Hosts, addresses and networks that may be reached although they are private.
    """

    base_url: str
    api_key: str = field(repr=False)
    model: str
    judge_model: str
    home: Path
    secrets_key: str = field(repr=False)
    secrets: Mapping[str, str] = field(repr=False)
    egress_listed: tuple[str, ...]
    redis_url: str = field(repr=False)
    mcp_commands: tuple[str, ...]


def load() -> AgentsConf:
    """Return the settings as they are now."""
    return AgentsConf(
        base_url=settings.OPENAI_BASE_URL,
        api_key=settings.OPENAI_API_KEY,
        model=settings.LOOM_MODEL,
        judge_model=settings.LOOM_JUDGE_MODEL,
        home=Path(settings.LOOM_HOME),
        secrets_key=settings.LOOM_SECRETS_KEY,
        secrets=settings.LOOM_SECRETS,
        egress_listed=tuple(settings.LOOM_EGRESS_ALLOW),
        redis_url=settings.REDIS_URL,
        mcp_commands=tuple(settings.LOOM_MCP_COMMANDS),
    )
