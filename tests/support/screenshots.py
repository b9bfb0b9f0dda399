"""Pictures of the admin's main pages, light and dark, of an instance that has done some work.

    python -m tests.support.screenshots [--into screenshots] [--only pulse]

A throwaway instance runs the demo's job for real; rows beside it stand for a day of work.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from loomsite.embedded import services
from loomsite.embedded.home import Home
from tests.processes import Stack, bootstrap, environment

_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"]
_DEMO_S = 300.0
_SETTLE_MS = 1_200


def main() -> int:
    """Take the pictures and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=Path("screenshots"))
    parser.add_argument("--only", default="")
    told = parser.parse_args()
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        sys.stderr.write("There is no Chromium on this machine (Debian: apt install chromium).\n")
        return 1
    with instance() as stack:
        pages = {name: path for name, path in _furnished().items() if told.only in name}
        told.into.mkdir(parents=True, exist_ok=True)
        _take(stack, browser, pages, told.into)
    sys.stdout.write(f"{2 * len(pages)} pictures in {told.into}\n")
    return 0


@contextmanager
def instance() -> Iterator[Stack]:
    """Run a throwaway control plane that has done the demo's job."""
    with tempfile.TemporaryDirectory(prefix="loom-pictures-") as root:
        home = Home(root=Path(root) / "home")
        with services.held(home, {}, throwaway=True) as urls:
            variables = environment(home.root, urls.database_url, urls.redis_url)
            made = bootstrap(variables)
            os.environ.update({**variables, "DJANGO_SETTINGS_MODULE": "loomsite.settings"})
            stack = Stack(
                home=home.root, database_url=urls.database_url, redis_url=urls.redis_url,
                api_key=made["api_key"], admin_password=made["admin_password"],
                environment=variables,
            )  # fmt: skip
            try:
                stack.start_web()
                stack.start_worker()
                done = stack.manage("demo", timeout_s=_DEMO_S)
                if done.returncode != 0:
                    sys.stderr.write(done.stderr[-2_000:])
                yield stack
            finally:
                stack.stop()


def _furnished() -> dict[str, str]:
    """Fill the instance and return the pages to take, by name."""
    import django  # noqa: PLC0415 -- after the environment is complete

    django.setup()
    from agents.models import Agent, Approval, Run, Skill  # noqa: PLC0415 -- as above
    from cluster.models import AgentNode, Blueprint, Task  # noqa: PLC0415 -- as above
    from loomsite.access.models import Workspace  # noqa: PLC0415 -- as above
    from tests.support.showing import furnish  # noqa: PLC0415 -- as above

    workspace = Workspace.objects.get(slug="demo")
    furnish(workspace)
    whole = Task.objects.filter(workspace=workspace, parent=None, children__isnull=False)
    part = Task.objects.filter(workspace=workspace, parent__isnull=False, status="succeeded")
    found: dict[str, Any] = {
        "task-split": ("cluster/task", whole.first()),
        "task": ("cluster/task", part.order_by("-created_at").first()),
        "node": ("cluster/agentnode", AgentNode.objects.filter(workspace=workspace).first()),
        "blueprint": ("cluster/blueprint", Blueprint.objects.filter(workspace=workspace).first()),
        "run": ("agents/run", Run.objects.filter(workspace=workspace).first()),
        "skill": ("agents/skill", Skill.objects.filter(workspace=workspace).first()),
        "call": ("agents/approval", Approval.objects.filter(key="call-1").first(), "edit"),
        "record": ("agents/agent", Agent.objects.filter(workspace=workspace).first(), "record"),
        "merge": ("cluster/agentnode", AgentNode.objects.filter(workspace=workspace).first(),
                  "merge"),
    }  # fmt: skip
    rows = {
        name: f"{at}/{row.pk}/{(*page, 'change')[0]}/"
        for name, (at, row, *page) in found.items()
        if row is not None
    }
    return {
        "pulse": "", "tasks": "cluster/task/", "submit": "cluster/task/add/", **rows,
        "inbox": "agents/approval/inbox/", "workers": "cluster/worker/",
        "keys": "access/apikey/", "members": "access/membership/",
        "audit": "access/auditentry/", "agents": "agents/agent/", "nodes": "cluster/agentnode/",
        "blueprints": "cluster/blueprint/", "skills": "agents/skill/",
        "memory": "agents/memoryentry/", "documents": "knowledge/document/",
        "rewards": "cluster/reward/", "schedules": "cluster/schedule/",
        "endpoints": "agents/endpoint/", "empty": "agents/mcpconnection/",
        "leaderboard": "agents/agent/leaderboard/?workspace=demo",
        "lineage": "cluster/blueprint/lineage/",
        "curate": "agents/memoryentry/curate/", "upload": "knowledge/document/upload/",
        "search": "knowledge/collection/search/?q=backup",
        "judge": "cluster/calibrationcase/judge/",
        "reliability": "cluster/calibration/reliability/", "webhooks": "cluster/webhook/",
    }  # fmt: skip


def _take(stack: Stack, browser: str, pages: dict[str, str], into: Path) -> None:
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=browser, args=_ARGUMENTS)
        for theme in ("light", "dark"):
            page = chromium.new_page(
                viewport={"width": 1440, "height": 900},
                color_scheme="dark" if theme == "dark" else "light",
            )
            page.goto(f"{stack.url}/admin/")
            page.fill("[name=username]", "admin")
            page.fill("[name=password]", stack.admin_password)
            page.click("[type=submit]")
            for name, path in pages.items():
                _picture(page, f"{stack.url}/admin/{path}", into / f"{name}-{theme}.png")
            page.close()
        chromium.close()


def _picture(page: Page, url: str, into: Path) -> None:
    """Take a page as long as it is, its lazy parts loaded."""
    page.goto(url)
    page.wait_for_timeout(_SETTLE_MS)
    tall = page.evaluate(
        "Math.max(...[...document.querySelectorAll('#main, #main *')]"
        ".map((each) => each.scrollHeight))"
    )
    page.set_viewport_size({"width": 1440, "height": min(max(int(tall), 900), 3_200)})
    page.wait_for_timeout(_SETTLE_MS)
    page.screenshot(path=into)
    page.set_viewport_size({"width": 1440, "height": 900})


if __name__ == "__main__":
    sys.exit(main())
