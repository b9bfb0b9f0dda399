"""Pages of schedules."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold import widgets
from unfold.decorators import display

from cluster.admin.base import ClusterAdmin, ClusterForm
from cluster.admin.task_forms import SUBMISSION_FIELDSETS, SubmissionFields, submission_of
from cluster.models import Schedule, Task
from cluster.services.schedules import (
    schedule_create,
    schedule_delete,
    schedule_run,
    schedule_times,
    schedule_update,
)
from loomsite.access.admin import fields
from loomsite.access.admin.buttons import RowAction
from loomsite.access.admin.display import ago, cut, when
from loomsite.access.admin.reach import OPERATOR, actor_of


class ScheduleForm(ClusterForm, SubmissionFields):
    """When a goal is submitted, and the goal."""

    name = fields.text("Name", max_length=200, help_text="Empty: the goal's beginning.")
    kind = fields.choice("Kind", list(Schedule.Kind.choices), initial="cron")
    cron = fields.text(
        "Cron", help_text="minute hour day month weekday, such as 0 7 * * 1-5; for kind cron."
    )
    every_s = fields.whole("Every, seconds", help_text="For kind interval.")
    at = forms.SplitDateTimeField(
        label="At",
        required=False,
        widget=widgets.UnfoldAdminSplitDateTimeWidget(),
        help_text="For kind once.",
    )
    timezone = fields.text("Time zone", initial="UTC", help_text="Such as Europe/Berlin.")
    enabled = fields.switch("Enabled", initial=True)
    agent = fields.text("Agent", help_text="Slug of one agent; empty: agents bid.")

    class Meta:
        model = Schedule
        fields = ("workspace",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        row = kwargs.get("instance")
        if row is not None:  # the submission's own fields are in one column
            kwargs["initial"] = {**row.submission, **kwargs.get("initial", {})}
        super().__init__(*args, **kwargs)

    def _fields(self) -> dict[str, Any]:
        given = self.cleaned_data
        submission = submission_of({**given, "agent": None})
        if given["agent"]:
            submission["agent"] = given["agent"]
        at: datetime | None = given["at"]
        return {
            "name": given["name"],
            "kind": given["kind"],
            "cron": given["cron"] or None,
            "every_s": given["every_s"],
            "at": at,
            "timezone": given["timezone"],
            "enabled": given["enabled"],
            "submission": submission,
        }

    def write(self) -> object:
        if self.instance._state.adding:  # noqa: SLF001 -- Django's public hook
            return schedule_create(
                workspace_id=self.workspace_id, actor=self.actor, **self._fields()
            )
        schedule_update(
            workspace_id=self.workspace_id, schedule_id=str(self.instance.pk), **self._fields()
        )
        return self.instance.pk


_FIELDSETS = (
    (None, {"fields": ("name", "goal")}),
    ("When", {"fields": (("kind", "timezone"), ("cron", "every_s"), "at", "enabled")}),
    *SUBMISSION_FIELDSETS,
)


@admin.register(Schedule)
class ScheduleAdmin(ClusterAdmin):
    adds = changes = deletes = OPERATOR
    add_form = change_form = ScheduleForm
    list_display = (
        "name",
        "goal",
        "timing",
        "enabled",
        ago("next_at", "next"),
        ago("last_at", "last"),
        "run_count",
        "trouble",
    )
    list_filter = ("enabled", "kind")
    search_fields = ("name",)
    add_fieldsets = _FIELDSETS
    change_fieldsets = (
        *_FIELDSETS,
        ("Record", {"fields": (("next_at", "last_at", "run_count"), "last_error", "actor")}),
    )
    readonly_fields = ("next_at", "last_at", "run_count", "last_error", "actor")
    change_form_template = "loom/admin/schedule.html"
    row_actions = (RowAction(name="run", label="Run now", icon="play_arrow", run="run_now"),)
    empty = "A schedule submits a goal again and again, or once later."

    @display(description="goal")
    def goal(self, schedule: Schedule) -> str:
        return cut(schedule.submission.get("goal", ""), 70)

    @display(description="when")
    def timing(self, schedule: Schedule) -> Any:
        if schedule.kind == Schedule.Kind.CRON:
            return f"{schedule.cron} ({schedule.timezone})"
        if schedule.kind == Schedule.Kind.INTERVAL:
            return f"every {schedule.every_s} s"
        return when(schedule.at)

    @display(description="last error")
    def trouble(self, schedule: Schedule) -> str:
        return cut(schedule.last_error, 60)

    def extra_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:  # noqa: ARG002 -- the base's
        if obj is None:
            return {}
        recent = Task.objects.filter(schedule=obj).order_by("-created_at", "-id")
        return {
            "recent": recent.only("goal", "status", "created_at", "outcome")[:20],
            "times": schedule_times(obj),
        }

    def delete_model(self, request: HttpRequest, obj: Any) -> None:  # noqa: ARG002 -- Django's signature
        schedule_delete(workspace_id=str(obj.workspace_id), schedule_id=str(obj.pk))

    def run_now(self, request: HttpRequest, schedule: Schedule) -> str:
        schedule_run(
            workspace_id=str(schedule.workspace_id),
            schedule_id=str(schedule.pk),
            actor=actor_of(request),
        )
        return "Submitted, besides its times. It is the first of the tasks below."
