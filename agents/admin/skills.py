"""Pages of skills: what they say, when they are called for, what they came from."""

from django.contrib import admin
from django.http import HttpRequest

from agents.admin.base import AgentsAdmin
from agents.models import Skill
from loomsite.access.admin.buttons import RowAction
from loomsite.access.admin.display import ago, badge, short
from loomsite.access.admin.reach import OPERATOR


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
