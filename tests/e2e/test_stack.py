"""The processes that end-to-end tests are made of."""

import httpx

from tests.processes import Stack


def test_web_worker_and_beat_run_over_a_database_of_their_own(stack: Stack):
    web, worker, beat = stack.start_web(), stack.start_worker(), stack.start_beat()

    answer = httpx.get(f"{stack.url}/health/ready").json()

    assert answer == {"status": "ok", "database": "ok", "redis": "ok"}
    assert stack.sql("SELECT username FROM auth_user") == [("admin",)]
    worker.kill()
    assert (web.is_alive, worker.is_alive, beat.is_alive) == (True, False, True)
