"""Pages of agents: who is good at what, what each is made of, and a place to try it."""

import uuid
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.http import urlencode

from agents import wiring
from agents.admin.catalogue import AgentPages
from agents.models import Agent, AgentVersion, Run
from agents.selectors.agent_pages import agent_memories, agent_tools
from agents.selectors.runs import run_list, run_steps
from agents.services.agents import agent_restore
from cluster.admin.base import REFUSALS
from cluster.core.types import FINAL
from cluster.models import AgentNode, Domain, Task
from cluster.selectors import standing
from cluster.selectors.tasks import task_detail
from cluster.services.tasks import task_submit
from knowledge.selectors import citations_titled
from loomsite.access.admin.buttons import DOOR, reason_of
from loomsite.access.admin.diff import changes
from loomsite.access.admin.extra import ExtraPage
from loomsite.access.admin.fields import whole_of
from loomsite.access.admin.reach import OPERATOR, actor_of
from loomsite.access.admin.workspaces import chosen_workspace, workspaces_of

_VERSIONS_SHOWN = 100
_RUNS_SHOWN = 10
_TRIES_SHOWN = 8
_TRY = "try_it"


@admin.register(Agent)
class AgentAdmin(AgentPages):
    refusals = REFUSALS
    list_pages = (
        ExtraPage(name="leaderboard", label="Leaderboard", icon="leaderboard", view="board_view"),
    )
    row_pages = (
        ExtraPage(name="record", label="Record", icon="monitoring", view="record_view"),
        ExtraPage(name="versions", label="Versions", icon="history", view="versions_view"),
        ExtraPage(name="tryit", label="Try it", icon="play_circle", view="try_view", role=OPERATOR),
        ExtraPage(
            name="restore", label="Roll back", icon="undo", view="restore_view", role=OPERATOR,
            tab=False,
        ),
    )  # fmt: skip

    # ------------------------------------------------------------ who is good at what

    def board_view(self, request: HttpRequest) -> HttpResponse:
        """Show the agents of a workspace by domain."""
        home = chosen_workspace(request)
        domains = list(Domain.objects.filter(workspace=home).order_by("slug")[:100]) if home else []
        wanted = request.GET.get("domain", "")
        known = next((each.slug for each in domains if each.slug == wanted), None)
        lines = standing.leaderboard(workspace_id=str(home.pk), domain=known) if home else []
        return self.page(
            request,
            "leaderboard",
            "Leaderboard",
            home=home,
            workspaces=workspaces_of(request),
            domains=domains,
            domain=known,
            lines=lines,
        )

    # ------------------------------------------------------------ one agent

    def record_view(self, request: HttpRequest, agent: Agent) -> HttpResponse:
        """Show what is believed of an agent, and what it did and remembers."""
        home = self.home(agent)
        wiring.workspace_prepare(home)
        node = AgentNode.objects.select_related("family").filter(agent=agent).first()
        recent = standing.recent_of([node.pk])[node.pk] if node else None
        runs = Run.objects.filter(agent=agent).defer("answer", "citations")
        return self.page(
            request,
            "agent_record",
            f"{agent.slug}: record",
            row=agent,
            here="record",
            node=node,
            beliefs=standing.node_beliefs(node=node) if node else [],
            recent=recent,
            runs=runs.order_by("-started_at")[:_RUNS_SHOWN],
            tools=agent_tools(workspace_id=home, agent_id=str(agent.pk)),
            memories=agent_memories(workspace_id=home, agent_id=str(agent.pk)),
        )

    def versions_view(self, request: HttpRequest, agent: Agent) -> HttpResponse:
        """Show an agent's versions, and what changed from one to another."""
        rows = AgentVersion.objects.filter(agent=agent).order_by("-number")
        versions = list(rows.defer("spec")[:_VERSIONS_SHOWN])
        to = whole_of(request.GET.get("to"), agent.version_number)
        since = whole_of(request.GET.get("from"), to - 1)
        both = {row.number: row.spec for row in rows.filter(number__in=[since, to])}
        return self.page(
            request,
            "agent_versions",
            f"{agent.slug}: versions",
            row=agent,
            here="versions",
            versions=versions,
            to=to,
            since=since if since in both else None,
            changes=changes(both.get(since, {}), both.get(to, {})),
            may_restore=self.may(request, OPERATOR, agent) and agent.retired_at is None,
            restore_url=self.extra_url("restore", agent),
        )

    def restore_view(self, request: HttpRequest, agent: Agent) -> HttpResponse:
        """Make an agent what it was: its next version is an earlier one again."""
        back = HttpResponseRedirect(self.extra_url("versions", agent))
        reason = reason_of(request)
        if request.method != "POST":
            return back
        if not reason:
            messages.error(request, "Say why: rolling back is written to the audit.")
            return back
        seen = whole_of(request.POST.get("seen"), 0)
        number = whole_of(request.POST.get("number"), 0)
        try:
            made = agent_restore(
                workspace_id=self.home(agent),
                agent_id=str(agent.pk),
                number=number,
                expected=seen,
                by=actor_of(request),
            )
        except self.refusals as error:
            messages.error(request, str(error))
            return back
        self.audit(request, agent, "restore", reason=reason, version=number, made=made)
        messages.success(request, f"Version {made} is as version {number} was.")
        return back

    # ------------------------------------------------------------ try it

    def try_view(self, request: HttpRequest, agent: Agent) -> HttpResponse:
        """Take a message to one agent as a task of its own, and show how that goes."""
        if request.method == "POST":
            return self._try(request, agent)
        home = str(self.workspace_id_of(agent))
        tries = Task.objects.filter(
            workspace_id=home, agent=agent, door=DOOR, metadata__has_key=_TRY
        ).order_by("-created_at", "-id")
        shown = request.GET.get("task", "")
        rows = list(tries.only("goal", "status", "created_at", "workspace")[:_TRIES_SHOWN])
        task = (
            self.member_or_404(Task.objects.filter(workspace_id=home, agent=agent), shown)
            if (shown)
            else None
        )
        context = {"trial": self._trial(home, task) if task else None, "agent": agent}
        if request.headers.get("HX-Request") == "true":
            return TemplateResponse(request, "loom/admin/agent_trial.html", context)
        return self.page(
            request,
            "agent_try",
            f"{agent.slug}: try it",
            row=agent,
            here="tryit",
            tries=rows,
            token=f"admin:{uuid.uuid4()}",
            said=request.GET.get("said", "")[:2_000],
            **context,
        )

    def _try(self, request: HttpRequest, agent: Agent) -> HttpResponse:
        here = self.extra_url("tryit", agent)
        goal = request.POST.get("goal", "")
        try:
            task_id, new = task_submit(
                workspace_id=str(self.workspace_id_of(agent)),
                actor=actor_of(request),
                door=DOOR,
                goal=goal,
                agent=agent.slug,
                max_cycles=1,
                metadata={_TRY: True},
                idempotency_key=request.POST.get("token") or None,
            )
        except self.refusals as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(f"{here}?{urlencode({'said': goal[:2_000]})}")
        if new:
            self.audit(request, agent, "try", task=task_id)
        return HttpResponseRedirect(f"{here}?{urlencode({'task': task_id})}")

    def _trial(self, home: str, task: Task) -> dict[str, Any]:
        detail = task_detail(workspace_id=home, task_id=str(task.pk))
        runs = run_list(workspace_id=home, task_id=str(task.pk))
        steps = run_steps(workspace_id=home, run_id=runs[-1].id) if runs else []
        cited = citations_titled(workspace_id=home, citations=detail["citations"])
        return {**detail, "cited": cited, "steps": steps, "over": task.status in FINAL}
