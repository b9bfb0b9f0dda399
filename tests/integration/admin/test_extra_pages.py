"""Pages besides lists and forms: they answer, escape, cost the same, and keep tenants apart."""

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from loomsite.access.admin.base import LoomAdmin
from loomsite.access.models import Workspace
from tests.integration.admin.seeding import EVIL, Seeds, member, person, signed_in

pytestmark = pytest.mark.django_db

MOST_QUERIES = 15
_PAGES = {
    model._meta.label_lower: page
    for model, page in admin.site._registry.items()
    if isinstance(page, LoomAdmin)
}
_LISTS = sorted((label, each.name) for label, p in _PAGES.items() for each in p.list_pages)
_ROWS = sorted((label, each.name) for label, p in _PAGES.items() for each in p.row_pages)


def _url(label: str, name: str, *args: object) -> str:
    return reverse(f"admin:{label.replace('.', '_')}_{name}", args=args)


def _seeded(slug: str) -> Seeds:
    seeds = Seeds(slug)
    seeds.more()
    return seeds


def _row(seeds: Seeds, label: str):
    return seeds.rows[_PAGES[label].model][0]


def _count(client: Client, url: str) -> tuple[int, str]:
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(url, follow=True)
    assert answer.status_code == 200, (url, answer.status_code)
    text = answer.content.decode(errors="replace")
    if answer.headers.get("Content-Disposition", "").startswith("attachment"):
        # A file is kept, not shown: it holds what was written, and no browser may run it.
        assert answer.headers["Content-Type"].split(";")[0] not in ("text/html", "image/svg+xml")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        text = text.replace(EVIL, "")
    return len(queries), text


@pytest.mark.parametrize(("label", "name"), [*_LISTS, *_ROWS])
def test_a_page_answers_within_few_queries_and_runs_no_script(label, name) -> None:
    seeds = _seeded("alpha")
    root = signed_in(person("root", is_superuser=True))
    url = _url(label, name, *([] if (label, name) in _LISTS else [_row(seeds, label).pk]))
    root.get(url)  # content types are cached from now on

    one, shown = _count(root, url)
    seeds.more()
    seeds.more()
    three, shown_three = _count(root, url)

    assert one == three <= MOST_QUERIES
    for text in (shown, shown_three):
        assert EVIL not in text
        assert "TOPSECRET" not in text


@pytest.mark.parametrize(("label", "name"), _ROWS)
def test_another_workspaces_row_has_no_such_page(label, name) -> None:
    ours, theirs = _seeded("ours"), _seeded("theirs")
    client = signed_in(member(ours.workspace.pk, "owner"))

    own = client.get(_url(label, name, _row(ours, label).pk), follow=True)
    foreign = client.get(_url(label, name, _row(theirs, label).pk))
    posted = client.post(_url(label, name, _row(theirs, label).pk), {"reason": "x", "goal": "x"})
    nonsense = client.get(_url(label, name, "nonsense"))

    assert own.status_code == 200
    assert (foreign.status_code, posted.status_code, nonsense.status_code) == (404, 404, 404)


@pytest.mark.parametrize(("label", "name"), _LISTS)
def test_a_page_about_all_rows_shows_nothing_of_another_workspace(label, name) -> None:
    ours, theirs = _seeded("ours"), _seeded("theirs")
    client = signed_in(member(ours.workspace.pk, "owner"))

    plain = client.get(_url(label, name)).content.decode()
    there = {"workspace": "theirs", "domain": "domain-theirs-1"}
    asked = client.get(_url(label, name), there, follow=True)

    assert "theirs-1" not in plain
    assert asked.status_code == 200
    assert "agent-theirs-1" not in asked.content.decode()
    assert theirs.workspace.slug == "theirs"


@pytest.mark.parametrize(("label", "name"), _LISTS)
def test_a_page_about_no_rows_says_what_to_do_next(label, name) -> None:
    root = signed_in(person("root", is_superuser=True))

    _, shown = _count(root, _url(label, name))

    assert "lm-empty" in shown or "lm-none" in shown


@pytest.mark.parametrize(
    ("name", "args", "here"),
    [
        ("agents_agent_leaderboard", [], "Leaderboard"),
        ("agents_agent_add", [], "Agents"),
        ("agents_approval_changelist", [], "Approvals"),
        ("cluster_blueprint_lineage", [], "Lineage"),
        ("knowledge_collection_search", [], "Try a search"),
        ("index", [], "Pulse"),
    ],
)
def test_the_sidebar_marks_the_one_page_that_is_open(name, args, here, root) -> None:
    Seeds("alpha")

    shown = root.get(reverse(f"admin:{name}", args=args)).context["sidebar_navigation"]

    assert [item["title"] for group in shown for item in group["items"] if item["active"]] == [here]


def test_pages_of_one_workspace_show_the_one_that_was_looked_at_last(root) -> None:
    Workspace.objects.create(slug="first", name="First")
    Workspace.objects.create(slug="second", name="Second")
    board, curate = "admin:agents_agent_leaderboard", "admin:agents_memoryentry_curate"

    before = root.get(reverse(curate)).context["home"].slug
    root.get(reverse(board), {"workspace": "second"})
    after = root.get(reverse(curate)).context["home"].slug
    root.get(reverse(board), {"workspace": "nowhere"})

    assert (before, after) == ("first", "second")
    assert root.get(reverse(curate)).context["home"].slug == "second"
