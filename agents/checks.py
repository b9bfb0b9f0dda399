"""Settings that cannot work, said at start-up."""

from collections.abc import Sequence
from ipaddress import ip_network
from typing import Any

from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as Caution

from agents import conf
from agents.services.mcp_commands import command_parsed
from loomsite.access.core.egress import url_fault


@register
def check_settings(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:  # noqa: ARG001 -- Django's signature
    """Return what is wrong with the settings of models, secrets and reach."""
    settings = conf.load()
    return [*_endpoint(settings), *_reach(settings), *_commands(settings)]


def _endpoint(settings: conf.AgentsConf) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    fault = url_fault(settings.base_url) if settings.base_url else None
    if fault:
        found.append(
            Error(
                f"OPENAI_BASE_URL cannot be used: {fault}",
                hint="Give the endpoint's address up to and with /v1.",
                id="agents.E001",
            )
        )
    if settings.api_key and not (settings.api_key.isascii() and settings.api_key.isprintable()):
        found.append(
            Error(
                "OPENAI_API_KEY cannot be used: it holds characters that no header can carry.",
                hint="Copy the key again, without quotes or line breaks.",
                id="agents.E002",
            )
        )
    if settings.judge_model and not (settings.base_url or settings.api_key):
        found.append(
            Caution(
                "LOOM_JUDGE_MODEL names a model, and no endpoint is set.",
                hint="Set OPENAI_BASE_URL or OPENAI_API_KEY, or add an endpoint in the admin.",
                id="agents.W001",
            )
        )
    return found


def _reach(settings: conf.AgentsConf) -> list[CheckMessage]:
    """A list entry with a slash is a network; one that cannot be read would list nothing."""
    found: list[CheckMessage] = []
    for entry in settings.egress_listed:
        if "/" not in entry:
            continue
        try:
            ip_network(entry, strict=False)
        except ValueError:
            found.append(
                Error(
                    f"LOOM_EGRESS_ALLOW cannot be used: {entry!r} is no network.",
                    hint="Use hosts, addresses, or networks such as 10.0.0.0/8.",
                    id="agents.E003",
                )
            )
    return found


def _commands(settings: conf.AgentsConf) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for entry in settings.mcp_commands:
        try:
            command_parsed(entry)
        except ValueError as error:
            found.append(
                Error(
                    f"LOOM_MCP_COMMANDS cannot be used: {entry!r}: {error}.",
                    hint="Give command lines separated by semicolons.",
                    id="agents.E004",
                )
            )
    return found
