"""Whatever is typed, sent or put into an address: no page breaks, runs it, or leaves the tenant."""

import re
import uuid
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, reverse
from django.utils.http import urlencode

from agents.models import Agent
from loomsite.access.admin.base import LoomAdmin
from loomsite.access.models import AuditEntry, Workspace
from tests.integration.admin.seeding import EVIL, Seeds, member, person

pytestmark = pytest.mark.django_db

_RUNS = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>"
_EVERYTHING = f"{_RUNS}{{{{7*7}}}}'; DROP TABLE cluster_task;--\u202e\u0645\U0001f9f6%s %_\\"
_TEXTS = {
    "markup, code, emoji and both directions": _EVERYTHING,
    "a null character": "a\x00b",
    "ten thousand digits": "9" * 10_000,
    "not a number": "NaN",
}
_KEYS = ("nonsense", "a\x00b", "9" * 40, _EVERYTHING, str(uuid.UUID(int=7)))
_LIVE = re.compile(r"<script>alert\(|<img src=x|\bonerror=alert\(2\)>(?!&)")
# These ask somebody over the network, with no connection to the database held meanwhile.
_LEADS_AWAY = re.compile(r"/logout/|/do/({})/$".format("|".join(
    action.name for page in admin.site._registry.values()
    for action in getattr(page, "row_actions", ()) if action.outside
)))  # fmt: skip
_FINE = {200, 302, 400, 403, 404, 405}


class _Forms(HTMLParser):
    """The forms of a page: method, address, and the fields with what they hold."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[dict[str, Any]] = []
        self._chooses = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.append(
                {"method": given.get("method", "get").lower(), "to": given.get("action", ""),
                 "typed": set(), "kept": {}}
            )  # fmt: skip
        name = given.get("name", "")
        if not self.found or (not name and tag != "option"):
            return
        form = self.found[-1]
        if tag == "textarea" or (tag == "input" and given.get("type", "text") not in _KEPT):
            form["typed"].add(name)
        elif tag == "select":
            self._chooses = name
            form["kept"].setdefault(name, "")
        elif tag == "option" and self._chooses and not form["kept"].get(self._chooses):
            form["kept"][self._chooses] = given.get("value", "")
        elif tag in {"input", "button"}:
            form["kept"].setdefault(name, given.get("value", "on"))

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._chooses = ""


_KEPT = {"hidden", "checkbox", "radio", "submit", "button", "file", "image", "reset"}


def _addresses(patterns: Any, prefix: str = "/admin/") -> Iterator[str]:
    """Yield every address of the admin, with `{}` where a key of a row belongs."""
    for each in patterns:
        route = getattr(each.pattern, "_route", None)
        if isinstance(each, URLResolver) and route is not None:
            yield from _addresses(each.url_patterns, prefix + route)
        elif isinstance(each, URLPattern) and route is not None:
            yield prefix + re.sub(r"<[^>]*>", "{}", route)


_ALL = sorted(set(_addresses(admin.site.urls[0])))
_PAGES = {m: p for m, p in admin.site._registry.items() if isinstance(p, LoomAdmin)}


def _own_pages(seeds: Seeds) -> list[str]:
    """Return the pages of an owner's rows: lists, forms, tabs, parts, and the front page."""
    found = [reverse("admin:index")]
    for model, page in _PAGES.items():
        stem = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        row = seeds.rows[model][0].pk
        found += [reverse(f"{stem}_changelist"), reverse(f"{stem}_add")]
        found += [reverse(f"{stem}_{each.name}") for each in page.list_pages]
        found += [reverse(f"{stem}_{each}", args=[row]) for each in ("change", "delete")]
        found += [reverse(f"{stem}_{each.name}", args=[row]) for each in page.row_pages]
        found += [reverse(f"{stem}_part", args=[row, each.name]) for each in page.parts]
    return found


@pytest.fixture
def seeds() -> Seeds:
    made = Seeds("ours")
    made.more()
    return made


def _forms(client: Client, url: str) -> list[dict[str, Any]]:
    """Return the forms of a page that change something here; a file that is sent has none."""
    answer = client.get(url)
    if not answer.headers.get("Content-Type", "").startswith("text/html"):
        return []
    found = [
        {**form, "to": form["to"] or url}
        for form in _Forms(answer.content.decode()).found
        if form["method"] == "post"
    ]
    return [f for f in found if f["to"].startswith("/admin/") and not _LEADS_AWAY.search(f["to"])]


def _sent(
    client: Client, form: dict[str, Any], values: dict[str, str], then: Callable[[], object] = bool
) -> Any:
    """Return the answer to a form, and take back what it wrote."""
    with transaction.atomic():
        answer = client.post(form["to"], values)
        if answer.status_code == 302:  # else the form is shown again, and nothing was written
            then()
        transaction.set_rollback(True)
    return answer


def _browser(user: Any) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


@pytest.fixture
def owner(seeds) -> Client:
    return _browser(member(seeds.workspace.pk, "owner", "olga"))


def _wrong(answer: Any, what: str) -> list[str]:
    """Return what is wrong with an answer; nothing when it is fine."""
    if answer.status_code not in _FINE:
        return [f"{what}: {answer.status_code}"]
    if not answer.headers.get("Content-Type", "").startswith("text/html"):
        return []
    text = answer.content.decode(errors="replace")
    return [f"{what}: runs"] if _LIVE.search(text) or EVIL in text else []


@pytest.fixture
def root() -> Client:
    return _browser(person("root", is_superuser=True))


def test_every_address_answers_whatever_stands_where_a_key_belongs(seeds, root) -> None:
    troubles: list[str] = []

    for address in _ALL:
        for key in _KEYS if "{}" in address else [""]:
            quoted = urlencode({"": key})[1:]
            answer = root.get(address.replace("{}", quoted))
            troubles += _wrong(answer, f"{address} of {key[:20]!r}")
    for kind in ContentType.objects.all():
        answer = root.get(reverse("admin:view_on_site", args=[kind.pk, "nonsense"]))
        troubles += _wrong(answer, f"{kind} on the site")

    assert len(_ALL) > 5 * len(_PAGES)
    assert troubles == []


def test_every_list_answers_whatever_its_address_asks_for(seeds, root) -> None:
    troubles: list[str] = []

    for page in admin.site._registry.values():
        url = reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist")
        names = [f[0] if isinstance(f, tuple) else f for f in page.list_filter]
        asked = [
            {"q": _EVERYTHING, "p": "9" * 30, "o": "1.-2.x"},
            {"q": "a\x00b" * 9_000, "p": "-1"},
        ]
        asked += [{f"{name}__exact": text} for name in names for text in (_RUNS, "a\x00b")]
        asked += [{"id__exact": "9" * 30}, {"workspace__slug__startswith": "o"}, {_RUNS: _RUNS}]
        for query in asked:
            answer = root.get(url, query)
            troubles += _wrong(answer, f"{url}?{str(query)[:60]}")

    assert troubles == []


def test_every_other_page_answers_whatever_its_address_asks_for(seeds, owner) -> None:
    names = ("q", "workspace", "domain", "view", "from", "to", "task", "run", "step", "start",
             "before", "line", "collection", "limit", "ids", "subject", "agent", "back", "kind",
             "was", "cycle", "page", "cursor", "fusion", "said", "s")  # fmt: skip
    ordinary = ("/change/", "/delete/", "/add/")
    troubles: list[str] = []

    for url in [*(u for u in _own_pages(seeds) if not u.endswith(ordinary)), "/admin/search/"]:
        for what, text in _TEXTS.items():
            answer = owner.get(url, dict.fromkeys(names, text))
            troubles += _wrong(answer, f"{url} with {what}")

    assert troubles == []


def test_every_form_takes_or_refuses_whatever_is_typed(seeds, owner) -> None:
    forms = [form for url in _own_pages(seeds) for form in _forms(owner, url)]
    forms = list({(form["to"], *sorted(form["typed"])): form for form in forms}.values())
    troubles: list[str] = []

    for form in forms:
        for what, text in _TEXTS.items():
            values = {**form["kept"], **dict.fromkeys(form["typed"], text)}
            answer = _sent(owner, form, values)
            troubles += _wrong(answer, f"{form['to']} with {what} in {sorted(form['typed'])}")

    assert len(forms) > 100
    assert troubles == []


def test_no_form_lets_another_workspaces_rows_in(seeds, owner) -> None:
    theirs = Seeds("theirs")
    theirs.more()
    foreign = {
        str(own.pk): str(theirs.rows[model][0].pk) for model, (own, *_) in seeds.rows.items()
    }
    before, troubles, sent = _size(theirs), [], 0

    for url in _own_pages(seeds):
        for form in _forms(owner, url):
            swapped = {n: foreign[v] for n, v in form["kept"].items() if v in foreign}
            if not swapped:
                continue
            values = {**dict.fromkeys(form["typed"], "1"), **form["kept"], **swapped}

            def look(what: str = f"{form['to']} with {swapped}") -> None:
                troubles.extend(f"{what} wrote {each}" for each in _mixed(seeds, theirs))
                troubles.extend([f"{what} changed theirs"] if _size(theirs) != before else [])

            answer = _sent(owner, form, values, then=look)
            if "-theirs-1" in answer.content.decode(errors="replace"):
                troubles.append(f"{form['to']} with {swapped} shows theirs")
            sent += 1

    assert sent > 20
    assert troubles == []


def _size(seeds: Seeds) -> dict[str, int]:
    """Return how many rows of each kind are in a workspace, its audit among them."""
    return {
        model._meta.label: model._default_manager.filter(
            **{page.workspace_path: seeds.workspace.pk}
        ).count()
        for model, page in _PAGES.items()
        if page.workspace_path is not None
    }


def _mixed(ours: Seeds, theirs: Seeds) -> list[str]:
    """Return the references that lead from rows of one workspace to rows of the other."""
    found = []
    for model, page in _PAGES.items():
        if page.workspace_path is None:
            continue
        for field in model._meta.concrete_fields:
            other = _PAGES.get(field.related_model)
            if other is None or other.workspace_path is None or field.related_model is Workspace:
                continue
            path = f"{field.name}__{other.workspace_path}"
            rows = model._default_manager.filter(**{page.workspace_path: ours.workspace.pk})
            if rows.filter(**{path: theirs.workspace.pk}).exists():
                found.append(f"{model._meta.label}.{field.name}")
    return found


def test_an_address_asks_nothing_of_what_no_page_shows(seeds, owner) -> None:
    asked = {
        "agents.endpoint": ("secret__gte=a", "secret=x", "secret__isnull=0"),
        "agents.mcpconnection": ("secret__gt=a", "environment__TOKEN=TOPSECRET"),
        "access.apikey": ("secret_sha256__gte=5",),
        "cluster.webhook": ("secret__lt=z",),
        "cluster.task": ("goal__iregex=(a%2B)%2B%24", "answer__contains=a", "agent__name=a"),
        "agents.artifact": ("content__isnull=0",),
    }

    answers = {
        f"{label}?{query}": owner.get(
            reverse(f"admin:{label.replace('.', '_')}_changelist") + "?" + query
        ).status_code
        for label, queries in asked.items()
        for query in queries
    }
    fine = owner.get(reverse("admin:cluster_task_changelist"), {"agent__id__exact": seeds.agent.pk})

    assert {page: status for page, status in answers.items() if status != 400} == {}
    assert fine.status_code == 200


def test_a_filter_that_cannot_be_read_is_said_to_be_left_out(seeds, owner) -> None:
    tasks = reverse("admin:cluster_task_changelist")

    answers = [
        owner.get(tasks, query, follow=True)
        for query in ({"status__exact": "a\x00b"}, {"agent__id__exact": "nonsense"}, {"no": "such"})
    ]

    assert [len(answer.context["cl"].result_list) for answer in answers] == [2, 2, 2]
    assert all(b"That filter cannot be read" in answer.content for answer in answers)


def test_every_button_pressed_twice_or_too_late_does_its_work_once(seeds, owner) -> None:
    troubles, pressed = [], 0

    for model, page in _PAGES.items():
        row = seeds.rows[model][0]
        for action in page.row_actions:
            url = page.button_url(row, action.name)
            if action.outside or not action.when(row):
                continue
            with transaction.atomic():
                form = {"reason": "why", "score": "1", "_once": "the same form"}
                answers = [owner.post(url, form) for _ in range(3)]
                done = AuditEntry.objects.filter(reason="why").count()
                transaction.set_rollback(True)
            pressed += 1
            wrong = [a.status_code for a in answers if a.status_code not in {200, 302}]
            troubles += [f"{url}: {wrong}, {done} in the audit"] if wrong or done > 1 else []
    gone = owner.post(
        _PAGES[Agent].button_url(Agent(pk=uuid.UUID(int=7)), "retire"), {"reason": "x"}
    )

    assert pressed > 15
    assert troubles == []
    assert gone.status_code == 404
