"""The commands that are doors, as processes: exit codes, and what is on which stream."""

import json

from tests.processes import Stack
from tests.requirements import requirement


def test_submit_of_an_empty_goal_is_one_sentence_and_exit_code_2(stack: Stack):
    done = stack.manage("submit", "")

    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.strip().splitlines()) == 1


def test_submit_that_waits_in_vain_ends_with_1_and_says_that_the_task_goes_on(stack: Stack):
    done = stack.manage("submit", "Name the moons.", "--wait", "--timeout", "0.2", "--json")

    assert done.returncode == 1
    assert json.loads(done.stdout)["status"] == "queued"
    assert "goes on" in done.stderr


@requirement("commands.submit")
def test_submit_without_a_running_stack_says_how_to_start_one(stack: Stack):
    done = stack.manage("submit", "x", DATABASE_URL="", REDIS_URL="")

    assert (done.returncode, done.stdout) == (1, "")
    assert "make up" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_new_key_is_alone_on_stdout(stack: Stack):
    made = stack.manage(
        "apikey_create", "--workspace", "default", "--user", "grace", "--scope", "tasks:read"
    )

    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.startswith("lk_")
    assert len(made.stdout.splitlines()) == 1
    query = "SELECT scopes FROM access_apikey WHERE prefix = %s"
    assert stack.sql(query, made.stdout.split("_")[1]) == [(["tasks:read"],)]
