"""Pages of MCP servers and of tools: connect, test, and review what a server changed."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from agents import wiring
from agents.admin.base import AgentsAdmin, AgentsForm
from agents.models import McpConnection, Tool
from agents.services import catalogue, mcp_connections, mcp_tools
from loomsite.access.admin import fields
from loomsite.access.admin.buttons import RowAction
from loomsite.access.admin.diff import changes
from loomsite.access.admin.display import ago, badge, cut, short, words
from loomsite.access.admin.reach import OPERATOR
from loomsite.access.admin.workspaces import workspaces_of
from loomsite.access.core.errors import InputInvalid

_TOOLS_SHOWN = 200

# ---------------------------------------------------------------- MCP servers


class McpConnectionForm(AgentsForm):
    """An MCP server that is reached over HTTP, or a program that may be started here."""

    names = {"secret": "new_secret", "environment": "new_environment"}

    url = fields.text("URL", max_length=500, help_text="Of a server reached over HTTP.")
    command = fields.text(
        "Command", max_length=500, help_text="Instead: a program that is started here."
    )
    arguments = fields.LinesField(label="Arguments", help_text="One a line.")
    new_secret = fields.secret("Secret", "For a URL: sent as a bearer token. Or env:LOOM_SECRET_…")
    new_environment = fields.secret(
        "Environment", "For a command: NAME=value, with spaces between several; never shown again."
    )
    trusted = fields.switch(
        "Trusted", help_text="Believe what it says of its tools: which only read, which may repeat."
    )

    class Meta:
        model = McpConnection
        fields: Sequence[str] = ("workspace", "slug", "name")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        row = kwargs.get("instance")
        if row is not None:
            now = {"url": row.url, "command": row.command, "arguments": row.arguments,
                   "trusted": row.trusted}  # fmt: skip
            kwargs["initial"] = {**now, **kwargs.get("initial", {})}
        super().__init__(*args, **kwargs)
        allowed = wiring.mcp_commands()
        self.fields["command"].help_text = (
            f"Instead: a program that is started here. Allowed: {'; '.join(allowed)}"
            if allowed
            else "None may be started here: the instance's owner lists them in LOOM_MCP_COMMANDS."
        )

    def clean_new_environment(self) -> dict[str, str]:
        pairs = [part.partition("=") for part in self.cleaned_data["new_environment"].split()]
        if any(not name or not sign for name, sign, _ in pairs):
            self.add_error("new_environment", "Must be NAME=value, with spaces between several.")
        return {name: value for name, _, value in pairs}

    def values(self, names: list[str]) -> dict[str, Any]:
        given = {n: v for n, v in self.cleaned_data.items() if n in names}
        secrets = {"secret": "new_secret", "environment": "new_environment"}
        found = {n: v for n, v in given.items() if n not in {*secrets.values(), "workspace"}}
        return found | {n: given[f] for n, f in secrets.items() if given.get(f)}

    def write(self) -> object:
        return wiring.mcp_connection_create(
            workspace_id=self.workspace_id, **self.values(list(self.cleaned_data))
        )


class McpChangeForm(McpConnectionForm):
    new_secret = fields.secret("New secret", "Empty: the stored one stays, at the same address.")
    new_environment = fields.secret(
        "New environment", "Empty: the stored one stays, for the same command."
    )
    enabled = fields.switch("Enabled")

    class Meta(McpConnectionForm.Meta):
        model = McpConnection
        fields: Sequence[str] = ("name", "enabled")

    def write(self) -> object:
        changed = [n for n in self.changed_data if n in self.cleaned_data]
        wiring.mcp_connection_update(
            workspace_id=self.workspace_id,
            connection_id=str(self.instance.pk),
            **self.values(changed),
        )
        return self.instance.pk


_PLACE = ("url", "new_secret")
_PROGRAM = ("command", "arguments", "new_environment")


@admin.register(McpConnection)
class McpConnectionAdmin(AgentsAdmin):
    adds = changes = deletes = OPERATOR
    add_form = McpConnectionForm
    change_form = McpChangeForm
    change_form_template = "loom/admin/mcp_connection.html"
    hidden = ("secret", "environment")
    list_display = (
        "slug",
        "transport",
        "leads_to",
        badge("enabled", {"True": "success", "False": ""}),
        "trusted",
        short("last_error", "last trouble", chars=60),
        ago("checked_at", "asked"),
    )
    list_filter = ("enabled", "transport")
    search_fields = ("slug", "name")
    add_fieldsets = (
        (None, {"fields": ("workspace", ("slug", "name"))}),
        ("A server over HTTP", {"fields": _PLACE}),
        ("Or a program that is started here", {"fields": _PROGRAM}),
        ("How far it is believed", {"fields": ("trusted",)}),
    )
    change_fieldsets = (
        (None, {"fields": ("workspace", ("slug", "name"), ("enabled", "trusted"))}),
        ("A server over HTTP", {"fields": _PLACE}),
        ("Or a program that is started here", {"fields": _PROGRAM}),
        ("Record", {"fields": (("checked_at", "created_at"), "last_error")}),
    )
    readonly_fields = ("slug", "checked_at", "created_at", "last_error")
    row_actions = (
        RowAction(name="test", label="Test it", icon="network_check", run="test", outside=True),
        RowAction(name="accept", label="Accept all changes", icon="check_circle", run="accept",
                  reason=True, when=lambda row: row.tools.exclude(pending={}).exists()),
        RowAction(name="refuse", label="Refuse all changes", icon="block", run="refuse",
                  danger=True, reason=True,
                  when=lambda row: row.tools.exclude(pending={}).exists()),
    )  # fmt: skip
    empty = "Connect an MCP server and agents can be granted its tools."

    @display(description="leads to")
    def leads_to(self, row: McpConnection) -> str:
        return cut(row.url or " ".join([row.command, *map(str, row.arguments)]), 60)

    def extra_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        if obj is None:
            return {}
        tools = Tool.objects.filter(connection=obj).order_by("name").defer("parameters")
        return {**super().extra_context(request, obj), "tools": tools[:_TOOLS_SHOWN]}

    def test(self, request: HttpRequest, row: McpConnection) -> str:  # noqa: ARG002 -- a button's signature
        found = wiring.mcp_connection_test(workspace_id=self.home(row), connection_id=str(row.pk))
        if not found["ok"]:
            raise InputInvalid(f"{row}: {found['error']}", errors=())
        counts = [
            f"{len(found[name])} {name.replace('_', ' ')}"
            for name in ("added", "changed", "gone", "left_out")
            if found[name]
        ]
        held = " What changed is held for your review." if found["changed"] else ""
        said = f" ({', '.join(counts)})" if counts else ""
        return f"{row} answers and offers {len(found['tools'])} tools{said}.{held}"

    def accept(self, request: HttpRequest, row: McpConnection) -> str:  # noqa: ARG002 -- a button's signature
        return f"Accepted: {', '.join(self._review(row, accepted=True))}."

    def refuse(self, request: HttpRequest, row: McpConnection) -> str:  # noqa: ARG002 -- a button's signature
        return f"Refused and switched off: {', '.join(self._review(row, accepted=False))}."

    def _review(self, row: McpConnection, *, accepted: bool) -> list[str]:
        return mcp_tools.mcp_tools_review(
            workspace_id=self.home(row), connection_id=str(row.pk), accepted=accepted
        )

    def delete_model(self, request: HttpRequest, obj: McpConnection) -> None:  # noqa: ARG002 -- Django's signature
        mcp_connections.mcp_connection_delete(
            workspace_id=self.home(obj), connection_id=str(obj.pk)
        )


# ---------------------------------------------------------------- tools


class ToolForm(AgentsForm):
    class Meta:
        model = Tool
        fields = ("enabled", "timeout_s", "options")

    def write(self) -> object:
        catalogue.tool_update(
            workspace_id=self.workspace_id,
            name=self.instance.name,
            enabled=self.cleaned_data["enabled"],
            timeout_s=self.cleaned_data["timeout_s"],
            options=self.cleaned_data["options"] if "options" in self.changed_data else None,
        )
        return self.instance.pk


def _is_held(tool: Tool) -> bool:
    return bool(tool.pending)


@admin.register(Tool)
class ToolAdmin(AgentsAdmin):
    changes = OPERATOR
    change_form = ToolForm
    change_form_template = "loom/admin/tool.html"
    list_display = (
        "name",
        short("description"),
        words("tags"),
        badge("source", {"mcp": "info"}),
        "effect",
        "timeout_s",
        "enabled",
        "review",
    )
    list_filter = ("enabled", "source", "available")
    search_fields = ("name", "description")
    change_fieldsets = (
        (None, {"fields": (("enabled", "timeout_s"), "options")}),
        (
            "From the code or the server",
            {"fields": ("name", "description", "tags", ("effect", "idempotent"), "source",
                        "connection", ("available", "note"), "parameters")},
        ),
    )  # fmt: skip
    readonly_fields = (
        "name", "description", "tags", "effect", "idempotent", "source", "connection", "available",
        "note", "parameters",
    )  # fmt: skip
    row_actions = (
        RowAction(
            name="accept", label="Accept the change", icon="check_circle", run="accept",
            reason=True, when=_is_held,
        ),
        RowAction(
            name="refuse", label="Refuse and switch off", icon="block", run="refuse", danger=True,
            reason=True, when=_is_held,
        ),
    )  # fmt: skip
    empty = "Built-in tools are here with the first workspace; others come from MCP connections."

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        for home in workspaces_of(request):  # a new one has not shown its tools anywhere yet
            wiring.workspace_prepare(str(home.pk))
        return super().changelist_view(request, extra_context)

    @display(description="review", label={"changed": "warning", "gone": "danger"})
    def review(self, tool: Tool) -> str | None:
        if tool.pending:
            return "changed"
        return None if tool.available else "gone"

    def extra_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        if obj is None:
            return {}
        now = {name: getattr(obj, name, None) for name in obj.pending}
        held = changes(now, obj.pending) if obj.pending else []
        return {**super().extra_context(request, obj), "changes": held}

    def accept(self, request: HttpRequest, tool: Tool) -> str:  # noqa: ARG002 -- a button's signature
        return self._reviewed(tool, accepted=True)

    def refuse(self, request: HttpRequest, tool: Tool) -> str:  # noqa: ARG002 -- a button's signature
        return self._reviewed(tool, accepted=False)

    def _reviewed(self, tool: Tool, *, accepted: bool) -> str:
        mcp_tools.mcp_tool_review(workspace_id=self.home(tool), name=tool.name, accepted=accepted)
        return (
            "Accepted: agents have it as it is now." if accepted else "Refused: it is switched off."
        )
