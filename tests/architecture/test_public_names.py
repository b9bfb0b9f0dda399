"""The names that programs import, and what every command takes."""

import importlib
from argparse import ArgumentParser

import pytest
from django.core.management import get_commands, load_command_class

from tests.requirements import requirement

NAMES = {
    "agents.core.runtime": "Agent AgentConfig AgentResult",
    "agents.core.events": "TextDelta ReasoningDelta ToolCallStart ToolCallEnd StepStart StepEnd "
    "Usage Failed Done EventBus",
    "agents.tools.registry": "define_tool ToolRegistry ToolContext",
    "agents.providers.openai_compat": "OpenAIProvider",
    "agents.core.context": "ContextOrchestrator",
    "agents.core.interceptors": "",
    "knowledge.core": "",
}
OURS = ("loomsite", "agents", "cluster", "knowledge")
PROMISED = {
    "up", "demo", "doctor", "submit", "mcp", "workspace_create", "apikey_create",
    "knowledge_ingest", "retrieval_run", "memory_run",
}  # fmt: skip


@requirement("python.names")
@pytest.mark.parametrize(("module", "names"), NAMES.items())
def test_the_public_names_are_where_they_were_promised(module: str, names: str):
    loaded = importlib.import_module(module)

    assert [name for name in names.split() if not hasattr(loaded, name)] == []


@requirement("commands.json")
def test_every_command_is_there_and_takes_json():
    ours = {name: app for name, app in get_commands().items() if app in OURS}

    def options(name: str) -> set[str]:
        parser: ArgumentParser = load_command_class(ours[name], name).create_parser("loom", name)
        return {option for action in parser._actions for option in action.option_strings}

    assert set(ours) >= PROMISED
    # `bootstrap` is a part of `up`, which reads the one object that it always prints.
    assert {name for name in ours if "--json" not in options(name)} == {"bootstrap"}
