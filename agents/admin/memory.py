"""Pages of what agents remember."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from agents import wiring
from agents.admin.base import AgentsAdmin, AgentsForm
from agents.admin.curating import CurationPages
from agents.models import MemoryEntry, MemoryRevision, MemoryUse
from agents.services import memories
from knowledge.core.errors import KnowledgeError
from loomsite.access.admin import fields
from loomsite.access.admin.buttons import DOOR, RowAction
from loomsite.access.admin.display import ago, badge, number, row, short
from loomsite.access.admin.reach import OPERATOR

_REVIEW = {"accepted": "success", "pending": "warning", "rejected": "danger"}


class MemoryForm(AgentsForm):
    """A fact to remember; its vector is made when it is written."""

    refusals = (*AgentsForm.refusals, KnowledgeError)

    scope = fields.choice("Scope", list(MemoryEntry.Scope.choices), initial="workspace")
    scope_id = fields.text(
        "Scope id", help_text="The agent, session or task; empty for the workspace."
    )
    text = fields.area("Text", required=True)
    importance = fields.number("Importance", initial=0.5, help_text="From 0 to 1.", required=True)
    subject = fields.text("Subject", help_text="Whom it is about; exported and erased together.")
    topic = fields.text(
        "Topic", help_text="The one thing it settles; what held of it until now is closed."
    )

    def write(self) -> object:
        return wiring.memory_remember(
            workspace_id=self.workspace_id,
            provenance={"by": self.actor, "door": DOOR},
            **self.given,
        )


class MemoryEditForm(AgentsForm):
    """What an entry says; what it said before is kept."""

    refusals = MemoryForm.refusals

    class Meta:
        model = MemoryEntry
        fields = ("text", "importance", "subject", "topic", "occasion", "valid_until")

    def write(self) -> object:
        changed = {name: self.cleaned_data[name] for name in self.changed_data}
        if changed:
            wiring.memory_edit(
                workspace_id=self.workspace_id,
                memory_id=str(self.instance.pk),
                actor=self.actor,
                **changed,
            )
        return self.instance.pk


@admin.register(MemoryEntry)
class MemoryEntryAdmin(CurationPages):
    adds = changes = deletes = OPERATOR
    add_form = MemoryForm
    change_form = MemoryEditForm
    list_display = (
        short("text", chars=100),
        "scope",
        "kind",
        number("importance"),
        badge("review", _REVIEW),
        ago("valid_until", "holds until"),
        ago("created_at"),
    )
    list_filter = ("review", "scope")
    search_fields = ("text",)
    search_window = 5_000
    id_fields = ("id",)
    add_fieldsets = (
        (
            None,
            {"fields": ("workspace", "text", ("scope", "scope_id"), "importance",
                        ("subject", "topic"))},
        ),
    )  # fmt: skip
    change_fieldsets = (
        (None, {"fields": ("workspace", "text", "importance", ("subject", "topic"), "occasion")}),
        ("How long it holds", {"fields": (("valid_from", "valid_until"),)}),
        ("Record", {"fields": (("scope", "scope_id", "kind"), ("review", "created_at"))}),
    )
    readonly_fields = ("scope", "scope_id", "kind", "review", "valid_from", "created_at")
    row_actions = (
        RowAction(
            name="accept", label="Accept", icon="check_circle", run="accept",
            when=lambda row: row.review != MemoryEntry.Review.ACCEPTED,
        ),
        RowAction(
            name="reject", label="Reject", icon="block", run="reject", reason=True,
            when=lambda row: row.review != MemoryEntry.Review.REJECTED,
        ),
        RowAction(
            name="expire", label="Let it end now", icon="event_busy", run="expire", reason=True,
            when=lambda row: row.valid_until is None,
        ),
    )  # fmt: skip
    empty = "Agents write down what they learn; you can add facts of your own."

    def accept(self, request: HttpRequest, memory: MemoryEntry) -> str:  # noqa: ARG002 -- a button's signature
        memories.memory_review(
            workspace_id=self.home(memory), memory_id=str(memory.pk), accepted=True
        )
        return "Accepted: it is recalled."

    def reject(self, request: HttpRequest, memory: MemoryEntry) -> str:  # noqa: ARG002 -- a button's signature
        memories.memory_review(
            workspace_id=self.home(memory), memory_id=str(memory.pk), accepted=False
        )
        return "Rejected: it is recalled no more."

    def expire(self, request: HttpRequest, memory: MemoryEntry) -> str:  # noqa: ARG002 -- a button's signature
        memories.memory_expire(workspace_id=self.home(memory), memory_id=str(memory.pk))
        return "It holds no more, and stays as history."

    def delete_model(self, request: HttpRequest, obj: Any) -> None:  # noqa: ARG002 -- Django's signature
        memories.memory_erase(workspace_id=self.home(obj), memory_id=str(obj.pk))


@admin.register(MemoryUse)
class MemoryUseAdmin(AgentsAdmin):
    workspace_path = "memory__workspace"
    called = "Recalled: {row.memory}"
    list_display = (
        row("memory", "memory"),
        row("run__agent", "agent"),
        number("score"),
        number("outcome"),
        "held_out",
        ago("used_at"),
    )
    list_select_related = ("memory", "run__agent")
    ordering = ("-id",)
    empty = "What is remembered is put before runs where it fits, and noted here."


@admin.register(MemoryRevision)
class MemoryRevisionAdmin(AgentsAdmin):
    workspace_path = "memory__workspace"
    called = "Said before: {row.memory}"
    list_display = (row("memory", "memory"), "actor", ago("at"))
    list_select_related = ("memory",)
    ordering = ("-id",)
    empty = "What entries said before somebody changed or merged them."
