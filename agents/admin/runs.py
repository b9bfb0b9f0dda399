"""Pages of what runs leave behind: nothing here is changed but the answers of people."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from agents.admin.base import AgentsAdmin
from agents.models import (
    Artifact,
    ContextShares,
    Run,
    Session,
    SessionMessage,
    Step,
    ToolEffect,
    Violation,
)
from agents.selectors.runs import artifact_content, run_steps
from knowledge.selectors import citations_titled
from loomsite.access.admin.display import ago, badge, row, short, task, usd

_RUN = {"running": "info", "suspended": "warning", "ended": "success"}


@admin.register(Run)
class RunAdmin(AgentsAdmin):
    called = "{row.agent}: {row.goal}"
    list_display = (
        short("goal", chars=60),
        row("agent"),
        task(),
        badge("status", _RUN),
        "stop",
        "step_count",
        usd("cost_usd"),
        ago("started_at"),
    )
    list_select_related = ("agent",)
    list_filter = ("status",)
    id_fields = ("id", "task_id", "root_task_id")
    defer = ("answer", "citations", "error_message")
    change_form_template = "loom/admin/run.html"
    detail_fields = (
        "agent", "version", "session", "status", "stop", "model", "goal", "error_code",
        "error_message", "step_count", "prompt_tokens", "completion_tokens", usd("cost_usd"),
        "started_at", "ended_at",
    )  # fmt: skip
    empty = "A run is one agent's attempt at a task. Submit a task to see one."

    def extra_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:  # noqa: ARG002 -- the base's
        if obj is None:
            return {}
        return {
            "task_url": reverse("admin:cluster_task_change", args=[obj.task_id]),
            "cited": citations_titled(workspace_id=self.home(obj), citations=obj.citations),
            "steps": run_steps(workspace_id=self.home(obj), run_id=str(obj.pk)),
        }


@admin.register(Step)
class StepAdmin(AgentsAdmin):
    called = "Step {row.index} of {row.run.agent}: {row.run.goal}"
    list_display = (
        "__str__", row("run"), "model", "finish_reason", "prompt_tokens", "completion_tokens",
        usd("cost_usd"), "latency_ms", ago("created_at"),
    )  # fmt: skip
    list_select_related = ("run",)
    id_fields = ("run__id", "run__task_id")
    ordering = ("-id",)
    defer = ("message", "report")
    empty = "Each finished model call of a run is a step."


@admin.register(ToolEffect)
class ToolEffectAdmin(AgentsAdmin):
    called = "{row.tool} in step {row.step} of {row.run.agent}"
    list_display = (
        "tool",
        row("run"),
        "step",
        badge("state", {"begun": "warning", "done": "success", "failed": "danger"}),
        "latency_ms",
        ago("begun_at"),
    )
    list_select_related = ("run",)
    list_filter = ("state",)
    id_fields = ("run__id", "run__task_id")
    ordering = ("-id",)
    defer = ("arguments", "result")
    empty = "Tool calls are written here before they happen and after."


@admin.register(Violation)
class ViolationAdmin(AgentsAdmin):
    called = "{row.tool} refused to {row.agent}"
    list_display = ("tool", row("agent"), row("run"), short("reason"), ago("at"))
    list_select_related = ("agent", "run")
    id_fields = ("run__id",)
    defer = ("arguments",)
    empty = "Calls that the gate refused would be listed here."


@admin.register(Session)
class SessionAdmin(AgentsAdmin):
    list_display = ("key", row("agent"), short("summary"), ago("created_at"), ago("updated_at"))
    list_select_related = ("agent",)
    search_fields = ("key",)
    search_window = 5_000
    id_fields = ("id",)
    empty = "Conversations that go on over several runs are kept here."


@admin.register(SessionMessage)
class SessionMessageAdmin(AgentsAdmin):
    called = "Message {row.index} of {row.session}"
    list_display = ("__str__", row("session"), "run_id", "compacted", ago("created_at"))
    list_select_related = ("session",)
    id_fields = ("session__id", "run_id")
    ordering = ("-id",)
    defer = ("message",)
    empty = "The turns of sessions are kept here."


@admin.register(Artifact)
class ArtifactAdmin(AgentsAdmin):
    list_display = (short("name"), task(), row("run"), "media_type", "size", ago("created_at"))
    list_select_related = ("run",)
    id_fields = ("id", "task_id", "run__id")
    defer = ("content",)
    readonly_fields = ("download",)
    detail_fields = (
        "name", "media_type", "size", "sha256", "task_id", "run", "created_at", "download",
    )  # fmt: skip
    empty = "What is too large for a prompt is kept here, whole."

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.content_view)
        found = path("<uuid:object_id>/content/", view, name="agents_artifact_content")
        return [found, *super().get_urls()]

    def content_view(self, request: HttpRequest, object_id: object) -> HttpResponse:
        """Send the content as a file: never as a page, whatever it says it is."""
        artifact = self.row_or_404(request, str(object_id))
        name, _, content = artifact_content(
            workspace_id=self.home(artifact), artifact_id=str(artifact.pk)
        )
        safe = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)
        headers = {
            "Content-Disposition": f'attachment; filename="{safe[-100:] or "artifact"}"',
            "X-Content-Type-Options": "nosniff",
        }
        return HttpResponse(content, content_type="application/octet-stream", headers=headers)

    def download(self, artifact: Artifact) -> str:
        url = reverse("admin:agents_artifact_content", args=[artifact.pk])
        return format_html('<a class="lm-link" href="{}">Download</a>', url)


@admin.register(ContextShares)
class ContextSharesAdmin(AgentsAdmin):
    called = "{row.agent}: its window's shares"
    list_display = (row("agent"), "run_count", ago("updated_at"))
    list_display_links = ("run_count",)
    list_select_related = ("agent",)
    ordering = ("-id",)
    empty = "What each source of a prompt was worth is learned from an agent's runs."
