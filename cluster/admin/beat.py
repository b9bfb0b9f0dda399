"""Pages of the scheduler beneath: its own timers, for superusers alone."""

# Two libraries' pages are joined here; their signatures differ in names alone.
# pyright: reportIncompatibleMethodOverride=false

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django_celery_beat import admin as beat
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from loomsite.access.admin.accounts import SuperuserOnly

for _model in (ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule):
    admin.site.unregister(_model)


class _TaskSelect(UnfoldAdminSelectWidget, beat.TaskSelectWidget):
    """Unfold's clothes on beat's choice of jobs."""


class _PeriodicTaskForm(beat.PeriodicTaskForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["task"].widget = UnfoldAdminTextInputWidget()
        self.fields["regtask"].widget = _TaskSelect()


@admin.register(PeriodicTask)
class TimerAdmin(SuperuserOnly, beat.PeriodicTaskAdmin, ModelAdmin):
    form = _PeriodicTaskForm
    date_hierarchy = None
    list_filter = ("enabled", "one_off")
    change_form_template = None

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return ModelAdmin.changeform_view(self, request, *args, **kwargs)


@admin.register(IntervalSchedule)
class IntervalAdmin(SuperuserOnly, ModelAdmin):
    list_display = ("__str__", "every", "period")


@admin.register(CrontabSchedule)
class CrontabAdmin(SuperuserOnly, beat.CrontabScheduleAdmin, ModelAdmin):
    inlines = ()


@admin.register(SolarSchedule)
class SolarAdmin(SuperuserOnly, ModelAdmin):
    list_display = ("__str__", "event", "latitude", "longitude")


@admin.register(ClockedSchedule)
class ClockedAdmin(SuperuserOnly, ModelAdmin):
    list_display = ("clocked_time",)
