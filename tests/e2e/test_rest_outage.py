"""What REST and health say while Postgres is away, and after it has come back."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
from psycopg import sql

from loomsite.embedded.services import Urls
from tests.processes import Stack, poll
from tests.requirements import requirement


@requirement("bad_days.postgres_503")
def test_while_postgres_is_away_the_answer_is_503_and_then_all_is_well(
    stack: Stack, service_urls: Urls
):
    stack.start_web()
    headers = {"Authorization": f"Bearer {stack.api_key}"}
    client = httpx.Client(base_url=stack.url, headers=headers, timeout=40)
    submission = {"json": {"goal": "Name the moons of Mars."}}

    with client, ThreadPoolExecutor(4) as threads:
        assert client.get("/health/ready").status_code == 200
        _let_connect(stack, service_urls, allowed=False)
        away = [
            threads.submit(client.get, "/health/ready"),
            threads.submit(client.get, "/api/v1/tasks"),
            threads.submit(client.post, "/api/v1/tasks", **submission),
            threads.submit(client.post, "/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "ping"}),
        ]
        answers = [each.result() for each in away]
        _let_connect(stack, service_urls, allowed=True)
        poll(lambda: client.get("/health/ready").status_code == 200)
        back = client.get("/api/v1/tasks").json()

    assert [(each.status_code, each.json()["code"]) for each in answers] == [
        (503, "unavailable")
    ] * 4
    assert "Traceback" not in "".join(each.text for each in answers)
    assert back == {"results": [], "next": None}


def _let_connect(stack: Stack, service_urls: Urls, *, allowed: bool) -> None:
    name = stack.database_url.rpartition("/")[2].partition("?")[0]
    change = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    with psycopg.connect(service_urls.database_url, autocommit=True) as connection:
        connection.execute(change.format(sql.Identifier(name), sql.Literal(allowed)))
        if not allowed:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )
