"""Pages of money: budgets, what they have spent and reserved, what calls used."""

from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from agents.admin.base import AgentsAdmin, AgentsForm
from agents.models import Budget, BudgetWindow, Reservation, UsageEntry
from agents.services import catalogue
from loomsite.access.admin import fields
from loomsite.access.admin.display import ago, badge, row, short, task, usd
from loomsite.access.admin.reach import OPERATOR


class BudgetForm(AgentsForm):
    """A hard limit; the same scope and period again replaces it."""

    scope = fields.choice("Scope", list(Budget.Scope.choices), initial="workspace")
    scope_id = fields.text(
        "Scope id", help_text="The user, agent or root task; empty for the workspace."
    )
    period = fields.choice("Period", list(Budget.Period.choices), initial="day")
    limit_usd = fields.amount("Limit, US dollars", required=True)
    enabled = fields.switch("Enabled", initial=True)

    def write(self) -> object:
        return catalogue.budget_set(workspace_id=self.workspace_id, **self.given)


class BudgetChangeForm(AgentsForm):
    limit_usd = fields.amount("Limit, US dollars", required=True)
    enabled = fields.switch("Enabled")

    def write(self) -> object:
        limit: Decimal = self.cleaned_data["limit_usd"]
        return catalogue.budget_set(
            workspace_id=self.workspace_id,
            scope=self.instance.scope,
            scope_id=self.instance.scope_id,
            period=self.instance.period,
            limit_usd=limit,
            enabled=self.cleaned_data["enabled"],
        )


@admin.register(Budget)
class BudgetAdmin(AgentsAdmin):
    adds = changes = deletes = OPERATOR
    add_form = BudgetForm
    change_form = BudgetChangeForm
    list_display = (
        "__str__",
        badge("scope", {}),
        "scope_id",
        "period",
        usd("limit_usd", "limit"),
        "enabled",
    )
    list_filter = ("scope", "period", "enabled")
    search_fields = ("scope_id",)
    add_fieldsets = (
        (None, {"fields": ("workspace", ("scope", "scope_id"), "period", "limit_usd", "enabled")}),
    )
    change_fieldsets = (
        (None, {"fields": ("workspace", ("scope", "scope_id"), "period", "limit_usd", "enabled")}),
    )
    readonly_fields = ("scope", "scope_id", "period")
    empty = "Without a budget nothing stops spending but each task's own limit."

    def delete_model(self, request: HttpRequest, obj: Any) -> None:  # noqa: ARG002 -- Django's signature
        catalogue.budget_delete(workspace_id=self.home(obj), budget_id=str(obj.pk))


@admin.register(BudgetWindow)
class BudgetWindowAdmin(AgentsAdmin):
    called = "{row.budget}, from {row.starts_on}"
    list_display = (
        row("budget"), "starts_on", usd("spent_usd"), usd("reserved_usd"),
    )  # fmt: skip
    list_select_related = ("budget",)
    list_display_links = ("starts_on",)
    empty = "A window opens with a budget's first call of the day or month."


@admin.register(Reservation)
class ReservationAdmin(AgentsAdmin):
    called = "${row.amount_usd:.6f} {row.state}"
    list_display = (
        short("key", chars=48),
        task(),
        usd("amount_usd"),
        badge("state", {"open": "warning", "settled": "success"}),
        ago("created_at"),
        ago("expires_at"),
    )
    list_filter = ("state",)
    id_fields = ("task_id", "root_task_id")
    empty = "Money is set aside here before each model call."


@admin.register(UsageEntry)
class UsageEntryAdmin(AgentsAdmin):
    called = "{row.purpose} by {row.model}: ${row.cost_usd:.6f}"
    list_display = (
        ago("at"),
        task(),
        row("agent"),
        badge("purpose", {"run": "primary"}),
        "model",
        "prompt_tokens",
        "completion_tokens",
        usd("cost_usd"),
        "priced",
    )
    list_select_related = ("agent",)
    list_display_links = ("model",)
    list_filter = ("purpose",)
    id_fields = ("task_id", "root_task_id")
    empty = "Each model call leaves a line: tokens and cost."
