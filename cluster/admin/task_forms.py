"""The form that submits a task, and the one of a schedule's task: both ask the same things."""

import uuid
from collections.abc import Mapping
from typing import Any

from django import forms
from unfold import widgets

from cluster.admin.base import ClusterForm
from cluster.core.submission import CYCLES_MAX, PRIORITY_MAX
from cluster.models import Task
from cluster.services.tasks import task_submit
from loomsite.access.admin import fields
from loomsite.access.admin.buttons import DOOR

SUBMISSION_FIELDSETS = (
    ("Where and who", {"fields": (("workspace", "agent"), "collections")}),
    ("Limits", {"fields": (("budget_usd", "deadline_s"), ("max_cycles", "min_score"), "priority")}),
    ("How it is judged", {"fields": ("checks",)}),
    ("Besides", {"fields": ("context", "metadata")}),
)
# The names that a submission has; the rest of the form says where it goes.
_NAMES = (
    "goal", "context", "checks", "collections", "metadata", "priority", "budget_usd", "max_cycles",
    "min_score", "deadline_s",
)  # fmt: skip


class SubmissionFields(forms.Form):
    """The fields of a task's submission; the service says what is wrong with them."""

    goal = fields.area(
        "Goal", required=True, rows=6, placeholder="Say what is to be done, as to a colleague.",
        help_text="A goal that lists its parts may be split among several agents.",
    )  # fmt: skip
    context = fields.area("Context", rows=4, help_text="Material that the goal refers to.")
    collections = fields.WordsField(
        label="Collections", help_text="Slugs of collections to search; empty: all of the agent's."
    )
    budget_usd = fields.amount(
        "Budget, US dollars", help_text="For the whole tree; empty: no limit."
    )
    deadline_s = fields.number("Deadline, seconds", help_text="From now; empty: none.")
    max_cycles = fields.whole("Cycles", initial=2, help_text=f"1 to {CYCLES_MAX} tries.")
    min_score = fields.number("Least score", help_text="0 to 1; empty: none is asked for.")
    priority = fields.whole(
        "Priority", initial=0, help_text=f"-{PRIORITY_MAX} to {PRIORITY_MAX}; higher comes first."
    )
    checks = fields.JsonField(
        label="Checks",
        initial=list,
        rows=4,
        help_text='A list such as [{"kind": "contains", "value": "Paris", "required": true}].',
    )
    metadata = fields.JsonField(
        label="Metadata", initial=dict, rows=3, help_text="Passed on to tools and webhooks."
    )


def submission_of(cleaned: Mapping[str, Any]) -> dict[str, Any]:
    """Return the submission that a form's values describe; what is empty is left out."""
    given = {name: cleaned.get(name) for name in _NAMES}
    agent = cleaned.get("agent")
    if agent is not None:
        given["agent"] = agent.slug
    if given["budget_usd"] is not None:
        given["budget_usd"] = str(given["budget_usd"])
    return {name: value for name, value in given.items() if value not in (None, "", [], {})} | {
        "goal": cleaned.get("goal", "")
    }


class TaskForm(ClusterForm, SubmissionFields):
    """Submit a task; sent twice, it is still one."""

    idempotency_key = forms.CharField(
        widget=widgets.UnfoldAdminTextInputWidget(attrs={"type": "hidden"}),
        initial=lambda: f"admin:{uuid.uuid4()}",
    )

    class Meta:
        model = Task
        fields = ("workspace", "agent")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["agent"].help_text = "Empty: agents bid for it."
        self.fields["idempotency_key"].widget = forms.HiddenInput()

    def write(self) -> object:
        task_id, _ = task_submit(
            workspace_id=self.workspace_id,
            actor=self.actor,
            door=DOOR,
            idempotency_key=self.cleaned_data["idempotency_key"],
            **submission_of(self.cleaned_data),
        )
        return task_id
