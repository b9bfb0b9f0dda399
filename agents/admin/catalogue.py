"""Pages of what operators curate: agents, endpoints, tools, scenes, skills, MCP servers."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from agents import wiring
from agents.admin.base import AgentsAdmin, AgentsForm
from agents.models import Agent, AgentVersion, Endpoint, McpConnection, Scene, Skill, Tool
from agents.services import agents, catalogue, endpoints, mcp_connections
from loomsite.access.admin import fields
from loomsite.access.admin.buttons import RowAction
from loomsite.access.admin.display import ago, badge, row, short, words
from loomsite.access.admin.reach import OPERATOR

# ---------------------------------------------------------------- agents


class AgentForm(AgentsForm):
    """What an agent is; a change makes its next version."""

    class Meta:
        model = Agent
        fields = (
            "workspace", "slug", "name", "description", "instructions", "endpoint", "model",
            "tools", "scenes", "skills", "collections", "domains", "max_steps", "timeout_s",
            "max_tokens", "budget_usd", "temperature", "published", "enabled",
        )  # fmt: skip

    def values(self, names: list[str]) -> dict[str, Any]:
        given = {name: self.cleaned_data[name] for name in names if name != "workspace"}
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
    ("Limits of a run", {"fields": (("max_steps", "timeout_s"), ("max_tokens", "budget_usd"))}),
    ("Service", {"fields": (("enabled", "published"),)}),
)


class AgentPages(AgentsAdmin):
    """The form and the list; `cluster.admin.agents` adds what the market knows of agents."""

    adds = changes = OPERATOR
    add_form = change_form = AgentForm
    long = ("instructions",)
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
    list_display = ("__str__", row("agent"), "created_by", ago("created_at"))
    list_select_related = ("agent",)
    search_fields = ("agent__slug",)
    defer = ("spec",)
    empty = "Each change of what an agent is makes a version; runs keep the one they began with."


# ---------------------------------------------------------------- endpoints


class EndpointForm(AgentsForm):
    """An address, a model and a secret that is written and never read."""

    names = {"secret": "new_secret"}

    new_secret = fields.secret(
        "Secret", "The key, or env:LOOM_SECRET_NAME to read it from the environment."
    )

    class Meta:
        model = Endpoint
        fields = (
            "workspace", "slug", "name", "base_url", "model", "usd_per_million_prompt",
            "usd_per_million_completion", "profile", "fallback", "is_default", "enabled",
        )  # fmt: skip

    def _values(self, names: list[str]) -> dict[str, Any]:
        given = {n: self.cleaned_data[n] for n in names if n not in {"workspace", "new_secret"}}
        if "fallback" in given:
            other = given.pop("fallback")
            given["fallback_id"] = None if other is None else str(other.pk)
        return given

    def write(self) -> object:
        return wiring.endpoint_create(
            workspace_id=self.workspace_id,
            secret=self.cleaned_data["new_secret"],
            **self._values(list(self.cleaned_data)),
        )


class EndpointChangeForm(EndpointForm):
    new_secret = fields.secret(
        "New secret", "Empty: the stored one stays. A new address needs it again."
    )
    forget_secret = fields.switch("Forget the stored secret")

    def write(self) -> object:
        given = [n for n in self.changed_data if n in self.cleaned_data and n != "forget_secret"]
        forget = self.cleaned_data["forget_secret"]
        wiring.endpoint_update(
            workspace_id=self.workspace_id,
            endpoint_id=str(self.instance.pk),
            secret=self.cleaned_data["new_secret"] or ("" if forget else None),
            **self._values(given),
        )
        return self.instance.pk


_PRICES = ("usd_per_million_prompt", "usd_per_million_completion")
_ENDPOINT_FIELDS = (
    ("Model", {"fields": ("model", _PRICES, "profile")}),
    ("Service", {"fields": ("fallback", ("is_default", "enabled"))}),
)  # fmt: skip


@admin.register(Endpoint)
class EndpointAdmin(AgentsAdmin):
    adds = changes = deletes = OPERATOR
    add_form = EndpointForm
    change_form = EndpointChangeForm
    hidden = ("secret",)
    list_display = (
        "slug",
        "base_url",
        "model",
        badge("source", {"environment": "info"}),
        "is_default",
        "enabled",
        ago("updated_at"),
    )
    list_filter = ("enabled",)
    search_fields = ("slug", "name", "model")
    add_fieldsets = (
        (None, {"fields": ("workspace", "slug", "name", "base_url", "new_secret")}),
        *_ENDPOINT_FIELDS,
    )
    change_fieldsets = (
        (
            None,
            {"fields": ("workspace", "slug", "name", "base_url", "new_secret", "forget_secret")},
        ),
        *_ENDPOINT_FIELDS,
    )
    readonly_fields = ("slug",)
    empty = (
        "An endpoint is an OpenAI-compatible address. Without one, OPENAI_BASE_URL and"
        " OPENAI_API_KEY are used, else the extractive reader."
    )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        fixed = obj is not None and obj.read_only
        return not fixed and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        fixed = obj is not None and obj.read_only
        return not fixed and super().has_delete_permission(request, obj)

    def delete_model(self, request: HttpRequest, obj: Endpoint) -> None:  # noqa: ARG002 -- Django's signature
        endpoints.endpoint_delete(workspace_id=self.home(obj), endpoint_id=str(obj.pk))


# ---------------------------------------------------------------- MCP servers


class McpConnectionForm(AgentsForm):
    """An MCP server that is reached over HTTP."""

    names = {"secret": "new_secret"}

    new_secret = fields.secret("Secret", "Sent as a bearer token; or env:LOOM_SECRET_NAME.")

    class Meta:
        model = McpConnection
        fields = ("workspace", "slug", "name", "url")

    def write(self) -> object:
        given = self.cleaned_data
        return wiring.mcp_connection_create(
            workspace_id=self.workspace_id,
            slug=given["slug"],
            url=given["url"],
            name=given["name"],
            secret=given["new_secret"],
        )


@admin.register(McpConnection)
class McpConnectionAdmin(AgentsAdmin):
    adds = deletes = OPERATOR
    add_form = McpConnectionForm
    hidden = ("secret", "environment")
    list_display = (
        "slug",
        "transport",
        short("url", chars=60),
        "enabled",
        short("last_error", chars=60),
        ago("checked_at"),
    )
    list_filter = ("enabled", "transport")
    search_fields = ("slug", "name")
    add_fieldsets = ((None, {"fields": ("workspace", "slug", "name", "url", "new_secret")}),)
    empty = "Connect an MCP server and agents can be granted its tools."

    def delete_model(self, request: HttpRequest, obj: McpConnection) -> None:  # noqa: ARG002 -- Django's signature
        mcp_connections.mcp_connection_delete(
            workspace_id=self.home(obj), connection_id=str(obj.pk)
        )


# ---------------------------------------------------------------- tools and scenes


class ToolForm(AgentsForm):
    class Meta:
        model = Tool
        fields = ("enabled", "timeout_s")

    def write(self) -> object:
        catalogue.tool_update(
            workspace_id=self.workspace_id,
            name=self.instance.name,
            enabled=self.cleaned_data["enabled"],
            timeout_s=self.cleaned_data["timeout_s"],
        )
        return self.instance.pk


@admin.register(Tool)
class ToolAdmin(AgentsAdmin):
    changes = OPERATOR
    change_form = ToolForm
    list_display = (
        "name",
        short("description"),
        words("tags"),
        badge("source", {"mcp": "info"}),
        "effect",
        "timeout_s",
        "enabled",
    )
    list_filter = ("enabled", "source")
    search_fields = ("name", "description")
    change_fieldsets = (
        (None, {"fields": (("enabled", "timeout_s"),)}),
        (
            "From the code or the server",
            {"fields": ("name", "description", "tags", ("effect", "idempotent"), "source",
                        "connection", "parameters")},
        ),
    )  # fmt: skip
    readonly_fields = (
        "name", "description", "tags", "effect", "idempotent", "source", "connection", "parameters",
    )  # fmt: skip
    empty = "Built-in tools appear when a worker starts; others come from MCP connections."


class SceneForm(AgentsForm):
    """A named set of rules over tools."""

    class Meta:
        model = Scene
        fields = (
            "workspace", "slug", "name", "allow_tags", "ask_tags", "deny_tags", "allow_tools",
            "deny_tools",
        )  # fmt: skip

    def write(self) -> object:
        given = {n: v for n, v in self.cleaned_data.items() if n != "workspace"}
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


# ---------------------------------------------------------------- skills


@admin.register(Skill)
class SkillAdmin(AgentsAdmin):
    adds = changes = OPERATOR
    word_lists = ("keywords",)
    long = ("instructions",)
    line_lists = ("patterns",)
    list_display = (
        "name",
        short("description"),
        badge("state", {"active": "success", "draft": "warning"}),
        badge("origin", {"crystallized": "primary"}),
        ago("updated_at"),
    )
    list_filter = ("state", "origin")
    search_fields = ("name", "description")
    add_fieldsets = (
        (None, {"fields": ("workspace", "name", "description", "instructions")}),
        ("When it is called for", {"fields": ("keywords", "patterns")}),
        ("Files", {"fields": ("files",)}),
    )
    change_fieldsets = (
        (None, {"fields": ("workspace", "name", "description", "instructions", "state")}),
        ("When it is called for", {"fields": ("keywords", "patterns")}),
        ("Files and evidence",
            {"fields": ("files", "origin", "evidence", ("created_at", "updated_at"))}),
    )  # fmt: skip
    readonly_fields = ("origin", "evidence", "created_at", "updated_at", "state")
    row_actions = (
        RowAction(
            name="activate", label="Activate", icon="check_circle", run="activate",
            when=lambda row: row.state != Skill.State.ACTIVE,
        ),
        RowAction(
            name="retire", label="Retire", icon="archive", run="retire", danger=True, reason=True,
            when=lambda row: row.state != Skill.State.RETIRED,
        ),
    )  # fmt: skip
    empty = "A skill is instructions that an agent loads when a goal calls for them."

    def activate(self, request: HttpRequest, skill: Skill) -> str:  # noqa: ARG002 -- a button's signature
        return self._move(skill, Skill.State.ACTIVE)

    def retire(self, request: HttpRequest, skill: Skill) -> str:  # noqa: ARG002 -- a button's signature
        return self._move(skill, Skill.State.RETIRED)

    def _move(self, skill: Skill, state: Skill.State) -> str:
        skill.state = state
        skill.save(update_fields=["state", "updated_at"])
        return f"{skill} is {state.label.lower()}."
