"""Curating in a real browser: try an agent, roll it back, upload and find, correct a memory."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.e2e.test_admin_browser import Visit
from tests.processes import Stack

_BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
_LONG_MS = 90_000
_PAGES = [
    "agents/agent/leaderboard/", "cluster/blueprint/lineage/", "cluster/calibration/reliability/",
    "cluster/calibrationcase/judge/", "cluster/calibrationcase/add/", "agents/skill/import/",
    "agents/skill/add/", "agents/memoryentry/curate/", "agents/memoryentry/erase/",
    "agents/memoryentry/add/", "knowledge/collection/search/", "knowledge/document/upload/",
    "agents/mcpconnection/add/", "cluster/webhook/add/", "cluster/blueprint/add/",
    "cluster/blueprint/import/",
]  # fmt: skip


@pytest.fixture
def visit(stack: Stack) -> Iterator[Visit]:
    if _BROWSER is None:
        pytest.skip("NOT RUN: there is no Chromium on this machine (Debian: apt install chromium)")
    stack.start_web()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=_BROWSER, args=_ARGUMENTS)
        made = Visit(browser.new_page(), stack.url)
        made.watch()
        made.sign_in(stack.admin_password)
        yield made
        browser.close()


def _agent(visit: Visit) -> str:
    """Make an agent on its form and return its id."""
    page = visit.page
    visit.open("agents/agent/add/")
    page.get_by_label("Slug").fill("weaver")
    page.get_by_label("Name").fill("Weaver")
    page.locator("#id_instructions").fill("Answer with what you find, in one sentence.")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("link", name="weaver").first.click()
    return page.url.split("/agent/")[1].split("/")[0]


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 420)])
def test_every_page_of_curation_opens_without_a_complaint_or_a_request_elsewhere(
    theme, width, visit: Visit
) -> None:
    visit.page.emulate_media(color_scheme=theme)
    visit.page.set_viewport_size({"width": width, "height": 900})

    for path in _PAGES:
        visit.open(path)
        expect(visit.page.locator("h1").first).to_be_visible()
        assert visit.too_wide() <= 0, path

    assert visit.troubles == []


def test_an_agent_is_tried_for_real_changed_and_rolled_back(stack: Stack, visit: Visit) -> None:
    page = visit.page
    agent_id = _agent(visit)

    page.get_by_role("link", name="Try it").click()
    page.locator("#try-goal").fill("Say <b>what</b> a loom is.")
    page.get_by_role("button", name="Run it").click()
    expect(page.locator("#trial .lm-badge").first).to_be_visible()
    stack.start_worker()
    expect(page.locator("#trial .lm-live")).to_have_count(0, timeout=_LONG_MS)
    tried = page.locator("#trial").inner_text()

    visit.open(f"agents/agent/{agent_id}/change/")
    page.locator("#id_instructions").fill("Answer in verse.")
    page.get_by_role("button", name="Save", exact=True).click()
    visit.open(f"agents/agent/{agent_id}/versions/?from=2&to=1")
    expect(page.locator(".lm-diff ins").first).to_contain_text("Answer with what you find")
    page.get_by_label("Reason for rolling back").fill("verse was not wanted")
    page.get_by_role("button", name="Roll back to v1").click()
    expect(page.get_by_text("Version 3 is as version 1 was.")).to_be_visible()
    visit.open(f"agents/agent/{agent_id}/change/")

    assert "Say <b>what</b> a loom is." in tried
    assert "Step 0" in tried or "Step 1" in tried
    expect(page.locator("#id_instructions")).to_have_value(
        "Answer with what you find, in one sentence."
    )
    assert visit.troubles == []


def test_a_blueprint_is_rolled_back(visit: Visit) -> None:
    page = visit.page
    spec = '{"name": "Writer", "instructions": "Be brief.", "tools": [], "domains": []}'

    def press(button: str, reason: str) -> None:
        page.get_by_label(f"Reason: {button}").fill(reason)
        page.get_by_role("button", name=button, exact=True).click()

    visit.open("cluster/blueprint/add/")
    page.get_by_label("Slug").fill("writer")
    page.locator("#id_spec").fill(spec)
    page.locator("#id_reason").fill("wanted")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("link", name="writer v1").first.click()
    if page.get_by_role("button", name="Approve", exact=True).count():
        press("Approve", "it is fine")
    page.locator("#id_spec").fill(spec.replace("brief", "long"))
    page.locator("#id_reason").fill("readers want more")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("writer v2 is made")).to_be_visible()
    page.get_by_role("link", name="Versions").click()
    expect(page.locator(".lm-diff ins").first).to_contain_text("Be long.")
    page.get_by_role("link", name="Overview").click()
    press("Roll back", "readers did not")

    expect(page.get_by_text("writer v1 leads now")).to_be_visible()
    assert visit.troubles == []


def test_documents_are_uploaded_with_progress_and_found(
    stack: Stack, visit: Visit, tmp_path: Path
) -> None:
    page = visit.page
    stack.start_worker()
    for name, text in (
        ("looms.md", "# Looms\n\nA jacquard loom reads punched cards to weave brocade."),
        ("seas.md", "# Seas\n\nThe Baltic is brackish and shallow."),
    ):
        (tmp_path / name).write_text(text)
    visit.open("knowledge/collection/add/")
    page.get_by_label("Slug").fill("shelf")
    page.get_by_role("button", name="Save", exact=True).click()

    visit.open("knowledge/document/upload/")
    page.locator("#u-files").set_input_files([tmp_path / "looms.md", tmp_path / "seas.md"])
    page.get_by_role("button", name="Upload").click()
    expect(page.locator("#upload-progress .lm-is-good")).to_have_count(2, timeout=_LONG_MS)
    page.locator("#upload-progress").get_by_role("link", name="Try a search").click()
    page.locator("#s-q").fill("punched cards")
    page.locator("form[role=search] button[type=submit]").click()

    expect(page.locator("[data-hit]").first).to_contain_text("1. Looms")
    expect(page.locator("[data-hit] mark").first).to_be_visible()
    expect(page.get_by_text("words (BM25)").first).to_be_visible()
    assert visit.troubles == []


def test_a_memory_is_corrected_and_its_history_shown(visit: Visit) -> None:
    page = visit.page
    visit.open("agents/memoryentry/add/")
    page.locator("#id_text").fill("Ada drinks tea.")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("link", name="Ada drinks tea.").first.click()

    page.locator("#id_text").fill("Ada drinks coffee.")
    page.get_by_role("button", name="Save and continue editing").click()
    page.get_by_role("link", name="History and use").click()

    expect(page.get_by_text("Ada drinks coffee.").first).to_be_visible()
    expect(page.get_by_text("Ada drinks tea.").first).to_be_visible()
    assert visit.troubles == []
