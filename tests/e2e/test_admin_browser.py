"""The admin in a real browser: sign in, submit a task, watch it end, open every main page."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.processes import Stack

_BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_LONG_MS = 60_000
_FOCUS = """(() => {
    const at = document.activeElement;
    const shown = getComputedStyle(at);
    return {
        inside: Boolean(at.closest("#content")) && at.id !== "content",
        outline: shown.boxShadow !== "none" ? "shadow" : shown.outlineStyle,
        what: at.outerHTML.slice(0, 120),
    };
})()"""
_MAIN_PAGES = [
    "", "cluster/task/", "cluster/task/add/", "agents/approval/",
    "agents/approval/inbox/", "cluster/schedule/",
    "cluster/schedule/add/", "agents/agent/", "agents/agent/add/", "agents/skill/",
    "agents/memoryentry/", "agents/tool/", "agents/scene/", "agents/endpoint/",
    "agents/endpoint/add/", "agents/budget/", "knowledge/collection/", "knowledge/document/",
    "knowledge/document/add/", "cluster/agentnode/", "cluster/blueprint/", "cluster/auction/",
    "cluster/reward/", "cluster/marketentry/", "agents/run/", "agents/usageentry/",
    "cluster/event/", "cluster/worker/", "access/workspace/", "access/membership/",
    "access/apikey/", "access/apikey/add/", "access/auditentry/", "auth/user/",
    "django_celery_beat/periodictask/",
]  # fmt: skip


@dataclass(slots=True)
class Visit:
    """A page and what went wrong in it: errors on its console, requests that left the origin."""

    page: Page
    url: str
    troubles: list[str] = field(default_factory=list)

    def watch(self) -> None:
        origin = urlsplit(self.url).netloc

        def asked(address: str) -> None:
            parts = urlsplit(address)
            if parts.scheme not in {"data", "blob"} and parts.netloc != origin:
                self.troubles.append(f"asked {address}")

        self.page.on("request", lambda request: asked(request.url))
        self.page.on("pageerror", lambda error: self.troubles.append(f"threw {error}"))
        self.page.on(
            "console",
            lambda said: self.troubles.append(said.text) if said.type == "error" else None,
        )

    def open(self, path: str) -> None:
        answer = self.page.goto(f"{self.url}/admin/{path}")
        assert answer is not None
        assert answer.status == 200, f"{path}: {answer.status}"

    def too_wide(self) -> int:
        """Return by how many pixels the page scrolls sideways."""
        return self.page.evaluate(
            "Math.max(...[document.documentElement, document.querySelector('#main')]"
            ".map((each) => each.scrollWidth - each.clientWidth))"
        )

    def sign_in(self, password: str) -> None:
        self.open("")
        self.page.fill("[name=username]", "admin")
        self.page.fill("[name=password]", password)
        self.page.click("[type=submit]")
        expect(self.page.get_by_role("heading", name="Pulse")).to_be_visible()


@pytest.fixture
def visit(stack: Stack) -> Iterator[Visit]:
    if _BROWSER is None:
        pytest.skip("NOT RUN: there is no Chromium on this machine (Debian: apt install chromium)")
    stack.start_web()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=_BROWSER, args=_ARGUMENTS)
        made = Visit(browser.new_page(), stack.url)
        made.watch()
        yield made
        browser.close()


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 420)])
def test_every_main_page_opens_without_a_complaint_or_a_request_elsewhere(
    theme, width, stack: Stack, visit: Visit
) -> None:
    visit.page.emulate_media(color_scheme=theme)
    visit.page.set_viewport_size({"width": width, "height": 900})
    visit.sign_in(stack.admin_password)

    for path in _MAIN_PAGES:
        visit.open(path)
        expect(visit.page.locator("h1").first).to_be_visible()
        assert visit.too_wide() <= 0, path

    assert visit.troubles == []


def test_a_task_submitted_on_the_form_is_seen_to_end_without_a_reload_by_hand(
    stack: Stack, visit: Visit
) -> None:
    visit.sign_in(stack.admin_password)
    page = visit.page

    page.get_by_role("link", name="Submit a task").click()
    page.get_by_label("Goal").fill("<b>Say</b> what a loom is.")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#task-live")).to_be_visible()
    queued = page.locator(".lm-badge").first.inner_text().lower()
    stack.start_worker()
    expect(page.locator("#task-answer")).to_be_visible(timeout=_LONG_MS)
    expect(page.locator("#part-auction")).to_contain_text("won as")
    page.locator("#part-trace").scroll_into_view_if_needed()
    page.locator("#part-trace summary").first.click()
    expect(page.locator("#part-trace .lm-step-body").first).not_to_contain_text("Loading")
    page.locator("#part-events").scroll_into_view_if_needed()
    expect(page.locator("#part-events")).to_contain_text("task.finished")
    shown = page.locator("#task-live").inner_text()

    assert queued == "queued"
    assert "<b>Say</b> what a loom is." in shown
    assert all(phase in shown.lower() for phase in ("sense", "match", "execute", "adapt"))
    assert visit.troubles == []


def test_an_approval_is_answered_in_the_inbox_and_the_task_goes_on(
    stack: Stack, visit: Visit
) -> None:
    visit.sign_in(stack.admin_password)
    page = visit.page
    page.get_by_role("link", name="Submit a task").click()
    page.get_by_label("Goal").fill("Send the letter.")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#task-live")).to_be_visible()
    stack.sql("UPDATE cluster_task SET status = 'input_required', due_at = NULL")
    stack.sql(
        "INSERT INTO agents_approval (id, workspace_id, task_id, key, kind, question, options,"
        " detail, status, decision, text, answered_by, created_at) SELECT gen_random_uuid(),"
        " workspace_id, id, 'k', 'approval', 'May it be sent?', '[\"approve\", \"deny\"]',"
        " '{\"tool\": \"send_letter\", \"arguments\": \"{}\"}', 'open', '', '', '', now()"
        " FROM cluster_task"
    )

    visit.open("agents/approval/inbox/")
    expect(page.get_by_text("May it be sent?")).to_be_visible()
    page.get_by_role("textbox").last.fill("by registered mail")
    page.get_by_role("button", name="approve").click()
    expect(page.get_by_text("Nothing waits for you")).to_be_visible()
    answered = stack.sql("SELECT status, decision, text, answered_by FROM agents_approval")
    queued = stack.sql("SELECT status FROM cluster_task")

    assert answered == [("answered", "approve", "by registered mail", "user:admin")]
    assert queued == [("queued",)]
    assert visit.troubles == []


def test_pulse_a_task_and_the_inbox_are_worked_with_the_keyboard_alone(
    stack: Stack, visit: Visit
) -> None:
    visit.sign_in(stack.admin_password)
    page = visit.page
    visit.open("cluster/task/add/")
    page.get_by_label("Goal").fill("Say what a loom is.")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#task-live")).to_be_visible()
    task = page.url.split("/admin/")[1]

    for path, stops in (("", 3), (task, 3), ("agents/approval/inbox/", 1)):
        visit.open(path)
        page.keyboard.press("Tab")
        skip = page.get_by_role("link", name="Skip to the content")
        expect(skip).to_be_focused()
        expect(skip).to_be_in_viewport()
        page.keyboard.press("Enter")
        for _ in range(stops):
            page.keyboard.press("Tab")
            at = page.evaluate(_FOCUS)
            assert at["inside"], f"{path}: {at}"
            assert at["outline"] not in {"none", ""}, f"{path}: {at}"

    visit.open("")
    unnamed = page.evaluate(
        "[...document.querySelectorAll('canvas[data-chart]')].filter((each) =>"
        " each.getAttribute('role') !== 'img' || !each.getAttribute('aria-label')).length"
    )
    assert (page.locator("canvas[data-chart]").count() >= 2, unnamed) == (True, 0)
    assert visit.troubles == []
