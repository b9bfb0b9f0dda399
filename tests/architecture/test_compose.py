"""docker-compose.yml: its shape. That its commands start is tests/e2e/test_compose.py."""

from typing import Any

import jsonschema
import pytest

from tests.compose import load

# The essentials of the compose specification: what a service may say, and how.
_SERVICE: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "anyOf": [{"required": ["image"]}, {"required": ["build"]}],
    "properties": {
        "image": {"type": "string", "pattern": r"^[a-z0-9./-]+(:[\w.-]+)?$"},
        "build": {"type": "string"},
        "command": {"type": "string", "minLength": 1},
        "restart": {"enum": ["no", "always", "on-failure", "unless-stopped"]},
        "stop_grace_period": {"$ref": "#/$defs/duration"},
        "environment": {
            "type": "object",
            "propertyNames": {"pattern": "^[A-Z_][A-Z0-9_]*$"},
            "additionalProperties": {"type": ["string", "number", "null"]},
        },
        "ports": {
            "type": "array",
            "items": {"type": "string", "pattern": r"^(\d+\.\d+\.\d+\.\d+:)?\d+:\d+$"},
        },
        "volumes": {"type": "array", "items": {"type": "string", "pattern": r"^[a-z-]+:/[\w/]+$"}},
        "depends_on": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["condition"],
                "additionalProperties": False,
                "properties": {
                    "condition": {
                        "enum": [
                            "service_started",
                            "service_healthy",
                            "service_completed_successfully",
                        ]
                    }
                },
            },
        },
        "healthcheck": {
            "type": "object",
            "required": ["test"],
            "additionalProperties": False,
            "properties": {
                "test": {
                    "type": "array",
                    "minItems": 2,
                    "items": {"type": "string"},
                    "prefixItems": [{"enum": ["CMD", "CMD-SHELL"]}],
                },
                "interval": {"$ref": "#/$defs/duration"},
                "timeout": {"$ref": "#/$defs/duration"},
                "start_period": {"$ref": "#/$defs/duration"},
                "retries": {"type": "integer", "minimum": 1},
            },
        },
    },
}
_COMPOSE = {
    "$defs": {
        "duration": {"type": "string", "pattern": r"^(\d+h)?(\d+m)?(\d+s)?$", "minLength": 2},
        "service": _SERVICE,
    },
    "type": "object",
    "required": ["services"],
    "additionalProperties": False,
    "patternProperties": {"^x-": True},
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]*$"},
        "services": {"type": "object", "additionalProperties": {"$ref": "#/$defs/service"}},
        "volumes": {"type": "object", "additionalProperties": {"type": "null"}},
    },
}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return load()


def test_the_file_follows_the_specification(project: dict[str, Any]):
    jsonschema.Draft202012Validator(_COMPOSE).validate(project)


def test_it_runs_the_five_services(project: dict[str, Any]):
    assert sorted(project["services"]) == ["beat", "db", "redis", "web", "worker"]


def test_what_services_wait_for_and_write_to_exists(project: dict[str, Any]):
    services = project["services"]
    waits = {
        (name, other): each["condition"]
        for name, service in services.items()
        for other, each in service.get("depends_on", {}).items()
    }
    mounted = {each.split(":")[0] for s in services.values() for each in s.get("volumes", [])}

    assert waits == {
        ("web", "db"): "service_healthy",
        ("web", "redis"): "service_healthy",
        ("worker", "web"): "service_healthy",
        ("beat", "web"): "service_healthy",
    }
    assert all("healthcheck" in services[other] for _, other in waits)
    assert mounted == set(project["volumes"])


def test_web_worker_and_beat_share_one_environment(project: dict[str, Any]):
    services = project["services"]
    named = services["web"]["environment"]

    assert services["worker"]["environment"] == services["beat"]["environment"] == named
    assert named["DATABASE_URL"] == "postgresql://loom:loom@db:5432/loom"
    assert named["REDIS_URL"] == "redis://:loom@redis:6379/0"
    assert services["db"]["environment"]["POSTGRES_PASSWORD"] == "loom"


def test_a_variable_replaces_its_default():
    project = load({"LOOM_PORT": "9000", "POSTGRES_PASSWORD": "other"})

    web = project["services"]["web"]
    assert web["ports"] == ["127.0.0.1:9000:8000"]
    assert web["environment"]["DATABASE_URL"] == "postgresql://loom:other@db:5432/loom"
