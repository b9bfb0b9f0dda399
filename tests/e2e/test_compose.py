"""Each service of docker-compose.yml starts when its command is run as it is written."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import redis

from loomsite.embedded import process, programs
from loomsite.embedded.home import Home
from loomsite.embedded.process import Account
from tests.compose import load
from tests.processes import Process, Stack, poll


def _service(stack: Stack, name: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a service and the environment it would have, with our database and broker in it."""
    service = load()["services"][name]
    ours = {name: stack.environment[name] for name in ("DATABASE_URL", "REDIS_URL", "LOOM_HOME")}
    variables = {name: str(value) for name, value in service["environment"].items()}
    bin_folder = str(Path(sys.executable).parent)
    path = os.pathsep.join([bin_folder, stack.environment["PATH"]])
    return service, {**stack.environment, **variables, **ours, "PATH": path}


def _run(stack: Stack, name: str, command: str, environment: dict[str, str]) -> Process:
    # `-c` makes Python the parent that hands over to the command, as a container's init would.
    hand_over = "import os, sys; os.execvpe(sys.argv[1], sys.argv[1:], os.environ)"
    return stack.start(name, ["-c", hand_over, *shlex.split(command)], **environment)


def _check(service: dict[str, Any], environment: dict[str, str], port: int = 0) -> int:
    kind, *words = service["healthcheck"]["test"]
    command = ["sh", "-c", words[0]] if kind == "CMD-SHELL" else words
    command = [word.replace("8000", str(port)) for word in command]
    return subprocess.run(
        command, env=environment, capture_output=True, timeout=60, check=False
    ).returncode


def test_web_prepares_the_database_and_answers_its_health_check(stack: Stack):
    service, environment = _service(stack, "web")
    port = process.free_port()
    before = _check(service, environment, port)

    web = _run(stack, "web", service["command"].replace("8000", str(port)), environment)

    web.wait_for(lambda: _check(service, environment, port) == 0, "answer its health check")
    assert before != 0
    assert httpx.get(f"http://127.0.0.1:{port}/health/ready").json()["database"] == "ok"


def test_worker_answers_its_health_check(stack: Stack):
    service, environment = _service(stack, "worker")

    worker = _run(stack, "worker", service["command"], environment)

    worker.wait_for(lambda: "ready." in worker.log_text(), "become ready")
    assert poll(lambda: _check(service, environment) == 0)


def test_beat_starts(stack: Stack):
    service, environment = _service(stack, "beat")

    beat = _run(stack, "beat", service["command"], environment)

    beat.wait_for(lambda: "beat: Starting" in beat.log_text(), "start")


def test_the_broker_command_gives_a_durable_server_with_a_password(stack: Stack, tmp_path: Path):
    service = load()["services"]["redis"]
    program = programs.valkey_program(Home(root=tmp_path), Account())
    port = process.free_port()
    words = shlex.split(service["command"])
    command = shlex.join([str(program), *words[1:], "--port", str(port), "--dir", str(tmp_path)])

    server = _run(stack, "redis", command, {})

    password = service["environment"]["REDISCLI_AUTH"]
    with redis.Redis(port=port, password=password) as client:
        server.wait_for(lambda: _answers(client), "answer")
        facts = client.config_get("maxmemory-policy", "appendonly")
    assert facts == {"maxmemory-policy": "noeviction", "appendonly": "yes"}


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
