"""Pages of what operators curate: agents, endpoints, tools, scenes, skills, MCP servers."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from agents.admin.base import AgentsAdmin, AgentsForm
from agents.models import Agent, AgentVersion, Scene
from agents.services import agents, catalogue
from loomsite.access.admin.buttons import RowAction
from loomsite.access.admin.display import ago, row, short, words
from loomsite.access.admin.reach import OPERATOR

# ---------------------------------------------------------------- agents


class AgentForm(AgentsForm):
    """What an agent is; a change makes its next version."""

    class Meta:
        model = Agent
        fields = (
            "workspace", "slug", "name", "description", "instructions", "endpoint", "model",
            "tools", "scenes", "skills", "collections", "domains", "max_steps", "timeout_s",
            "max_tokens", "budget_usd", "temperature", "answer_language", "filter_patterns",
            "audit", "published", "input_schema", "enabled",
        )  # fmt: skip

    def values(self, names: list[str]) -> dict[str, Any]:
        given = {name: self.cleaned_data[name] for name in names if name != "workspace"}
        if given.get("input_schema", {}) is None:  # left empty: a plain message
            given["input_schema"] = {}
        if "endpoint" in given:
            endpoint = given.pop("endpoint")
            given["endpoint_id"] = None if endpoint is None else str(endpoint.pk)
        return given

    def write(self) -> object:
        if self.instance.pk is None or self.instance._state.adding:  # noqa: SLF001 -- Django's public hook
            values = self.values(list(self.cleaned_data))
            return agents.agent_create(workspace_id=self.workspace_id, by=self.actor, **values)
        agents.agent_update(
            workspace_id=self.workspace_id,
            agent_id=str(self.instance.pk),
            by=self.actor,
            **self.values([name for name in self.changed_data if name in self.cleaned_data]),
        )
        return self.instance.pk


_AGENT_FIELDS = (
    (None, {"fields": ("workspace", "slug", "name", "description", "instructions")}),
    ("Model", {"fields": (("endpoint", "model"), "temperature")}),
    ("What it may use", {"fields": ("tools", "scenes", "skills", "collections", "domains")}),
    ("Each model call", {"fields": ("answer_language", "filter_patterns", "audit")}),
    ("Limits of a run", {"fields": (("max_steps", "timeout_s"), ("max_tokens", "budget_usd"))}),
    ("Service", {"fields": (("enabled", "published"), "input_schema")}),
)


class AgentPages(AgentsAdmin):
    """The form and the list; `cluster.admin.agents` adds what the market knows of agents."""

    adds = changes = OPERATOR
    add_form = change_form = AgentForm
    long = ("instructions",)
    line_lists = ("filter_patterns",)
    word_lists = ("tools", "scenes", "skills", "collections", "domains")
    list_display = (
        "slug",
        "name",
        short("description", chars=70),
        words("domains"),
        words("tools"),
        row("endpoint"),
        "version_number",
        "enabled",
        "published",
    )
    list_select_related = ("endpoint",)
    list_filter = ("enabled", "published")
    search_fields = ("slug", "name", "description")
    sortable_by = ("slug", "name", "version_number")
    add_fieldsets = _AGENT_FIELDS
    change_fieldsets = (
        *_AGENT_FIELDS,
        ("Record", {"fields": (("version_number", "retired_at"), ("created_at", "updated_at"))}),
    )
    readonly_fields = ("version_number", "created_at", "updated_at", "retired_at")
    row_actions = (
        RowAction(
            name="retire", label="Retire", icon="archive", run="retire", danger=True, reason=True,
            confirm="It takes no more tasks and cannot come back. Retire it?",
            when=lambda row: row.retired_at is None,
        ),
    )  # fmt: skip
    empty = "An agent is instructions, a model and the tools it may use. Add one to get work done."

    def retire(self, request: HttpRequest, agent: Agent) -> str:  # noqa: ARG002 -- a button's signature
        agents.agent_retire(workspace_id=self.home(agent), agent_id=str(agent.pk))
        return f"{agent} is retired; its runs and versions stay."


@admin.register(AgentVersion)
class AgentVersionAdmin(AgentsAdmin):
    called = "{row.agent} v{row.number}"
    list_display = ("__str__", row("agent"), "created_by", ago("created_at"))
    list_select_related = ("agent",)
    search_fields = ("agent__slug",)
    defer = ("spec",)
    empty = "Each change of what an agent is makes a version; runs keep the one they began with."


# ---------------------------------------------------------------- scenes


class SceneForm(AgentsForm):
    """A named set of rules over tools."""

    class Meta:
        model = Scene
        fields = (
            "workspace", "slug", "name", "allow_tags", "ask_tags", "deny_tags", "allow_tools",
            "deny_tools",
        )  # fmt: skip

    def write(self) -> object:
        given = self.given
        if self.instance._state.adding:  # noqa: SLF001 -- Django's public hook
            return catalogue.scene_create(workspace_id=self.workspace_id, **given)
        catalogue.scene_update(workspace_id=self.workspace_id, slug=self.instance.slug, **given)
        return self.instance.pk


@admin.register(Scene)
class SceneAdmin(AgentsAdmin):
    adds = changes = OPERATOR
    add_form = change_form = SceneForm
    word_lists = ("allow_tags", "ask_tags", "deny_tags", "allow_tools", "deny_tools")
    list_display = (
        "slug", "name", words("allow_tags"), words("ask_tags"), words("deny_tags"),
        words("allow_tools"), words("deny_tools"),
    )  # fmt: skip
    search_fields = ("slug", "name")
    add_fieldsets = (
        (None, {"fields": ("workspace", "slug", "name")}),
        ("By tag: read, write, network, exec, spend",
            {"fields": ("allow_tags", "ask_tags", "deny_tags")}),
        ("By name", {"fields": ("allow_tools", "deny_tools")}),
    )  # fmt: skip
    change_fieldsets = add_fieldsets
    readonly_fields = ("slug",)
    empty = "A scene narrows what tools may do: allow, ask a person first, or deny."
