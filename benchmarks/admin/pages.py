"""Opening the pages: every list and row of the admin, and the pages that join tables.

A page is judged by the time that it takes the server. On a machine with other work that says
little: there the processor time of the server and of its database connections is judged.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from agents.selectors.memory_curation import VIEWS
from benchmarks.admin import rows
from cluster.models import Task
from loomsite.access.models import Membership
from loomsite.access.services import workspace_ensure

MOST_QUERIES = 15
MOST_MS = 300.0
MOST_MS_OF_A_LONG_RUN = 1_000.0


@dataclass(frozen=True, slots=True)
class Page:
    """A page to open."""

    name: str
    url: str
    limit_ms: float = MOST_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What opening a page cost."""

    person: str
    page: str
    queries: int
    p50_ms: float
    max_ms: float
    cpu_ms: float
    ok: bool


def measure(*, tasks: int, repeat: int, only: Sequence[str], say: rows.Say) -> dict[str, Any]:
    """Make the rows where they are missing, open every page and return what each cost."""
    call_command("migrate", verbosity=0, interactive=False)
    big, other = workspace_ensure(slug="big"), workspace_ensure(slug="other")
    if not Task.objects.exists():
        rows.make(count=tasks, big=big, other=other, say=say)
    long_run = _long_run()
    opened: list[Opened] = []
    for name, client in _people(big).items():
        for page in _pages(long_run, big):
            if any(part in page.name for part in only):
                opened.append(_open(client, name, page, repeat=repeat))
                say(f"{name} {page.name} {opened[-1].p50_ms}")
    return {
        "tasks": tasks,
        "cpus": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
        "pages": [asdict(each) for each in opened],
    }


def _people(workspace_id: str) -> dict[str, Client]:
    """Return browsers of who sees every workspace, and of who sees the big one."""
    users = get_user_model()._default_manager  # noqa: SLF001 -- Django's public hook
    root, _ = users.get_or_create(username="root", is_staff=True, is_superuser=True)
    olga, _ = users.get_or_create(username="olga", is_staff=True)
    Membership.objects.get_or_create(workspace_id=workspace_id, user=olga, role="owner")
    people = {who: Client(SERVER_NAME="localhost") for who in ("superuser", "owner")}
    people["superuser"].force_login(root)
    people["owner"].force_login(olga)
    return people


def _long_run() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT task_id FROM agents_run WHERE step_count = %s", [rows.STEPS])
        row = cursor.fetchone()
    assert row is not None
    return str(row[0])


def _pages(long_run: str, workspace_id: str) -> Iterator[Page]:
    yield Page("pulse", reverse("admin:index"))
    tasks = reverse("admin:cluster_task_changelist")
    for query in (
        "status__exact=failed", "status__exact=queued", "outcome__exact=failed",
        "phase__exact=execute", "door__exact=rest", "p=3", "q=offer", "q=nothing+like+it",
    ):  # fmt: skip
        yield Page(f"cluster.task?{query}", f"{tasks}?{query}")
    page = reverse("admin:cluster_task_change", args=[long_run])
    yield Page("task page of 2,000 steps", page, MOST_MS_OF_A_LONG_RUN)
    for part in getattr(admin.site._registry[Task], "parts", ()):  # noqa: SLF001 -- the only list there is
        address = reverse("admin:cluster_task_part", args=[long_run, part.name])
        yield Page(f"task page of 2,000 steps: {part.name}", address, MOST_MS_OF_A_LONG_RUN)
    curate = reverse("admin:agents_memoryentry_curate")
    for view in VIEWS:
        yield Page(f"agents.memoryentry/curate?{view}", f"{curate}?workspace=big&view={view}")
    for model, site in admin.site._registry.items():  # noqa: SLF001 -- the only list there is
        label = model._meta.label_lower  # noqa: SLF001 -- Django's public hook
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"  # noqa: SLF001 -- as above
        yield Page(label, reverse(f"{name}_changelist"))
        for page in getattr(site, "list_pages", ()):
            yield Page(f"{label}/{page.name}", reverse(f"{name}_{page.name}"))
        row = _row_of(site, workspace_id)
        if row is not None:
            yield Page(f"{label} (a row)", reverse(f"{name}_change", args=[row]))
            for page in getattr(site, "row_pages", ()):
                yield Page(
                    f"{label} (a row)/{page.name}", reverse(f"{name}_{page.name}", args=[row])
                )
        if getattr(site, "adds", None):
            yield Page(f"{label} (add)", reverse(f"{name}_add"))


def _row_of(page: Any, workspace_id: str) -> Any:
    """Return the key of a row that both people see; a missing one leads to the front page."""
    rows = page.model._default_manager.order_by("pk")  # noqa: SLF001 -- Django's public hook
    path = getattr(page, "workspace_path", None)
    mine = rows.filter(**{path: workspace_id}) if path else rows
    return mine.values_list("pk", flat=True).first()


def _open(client: Client, person: str, page: Page, *, repeat: int) -> Opened:
    client.get(page.url)  # what is cached once per process is not the page's
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(page.url, follow=True)
    count = len(queries)
    times = [_timed(client, page.url) for _ in range(repeat)]
    wall, cpu = median(each[0] for each in times), median(each[1] for each in times)
    served = answer.status_code in {200, 403, 404}
    return Opened(
        person=person,
        page=page.name if answer.status_code == 200 else f"{page.name} [{answer.status_code}]",  # noqa: PLR2004 -- HTTP
        queries=count,
        p50_ms=round(wall, 1),
        max_ms=round(max(each[0] for each in times), 1),
        cpu_ms=round(cpu, 1),
        ok=served and count <= MOST_QUERIES and (cpu if _is_busy() else wall) <= page.limit_ms,
    )


def _timed(client: Client, url: str) -> tuple[float, float]:
    """Return the wall-clock and the processor milliseconds of one opening."""
    began, cpu_began = perf_counter(), process_time() + _database_s()
    client.get(url)
    wall = perf_counter() - began
    return wall * 1000, (process_time() + _database_s() - cpu_began) * 1000


def _database_s() -> float:
    """Return the processor seconds of the database's processes for this connection so far."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
            " AND datname = current_database()"
        )
        pids = [row[0] for row in cursor.fetchall()]
    ticks = 0
    for pid in pids:
        with suppress(OSError):  # it has ended meanwhile
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _is_busy() -> bool:
    """Tell whether others use the machine so much that the wall clock says nothing."""
    return os.getloadavg()[0] > 1.5 * (os.cpu_count() or 1)
