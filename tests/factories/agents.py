"""Agents, runs and what surrounds them, for tests."""

import itertools
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from agents.core.types import RunRequest
from agents.selectors.catalogue import agent_detail
from agents.services.agents import agent_create
from agents.services.runs import run_open
from agents.store.ledger import Payer
from tests.factories.access import make_tenant

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost(Exception):
    """What a fence raises when the claim is lost."""


def open_fence() -> None:
    """Let every transaction through."""


def lost_fence() -> None:
    raise Lost


def make_workspace() -> str:
    return make_tenant().workspace_id


def make_agent(workspace_id: str, **fields: Any) -> str:
    number = next(_numbers)
    values = {"slug": f"agent-{number}", "name": f"Agent {number}", **fields}
    return agent_create(workspace_id=workspace_id, **values)


def make_request(workspace_id: str, agent_id: str, **fields: Any) -> RunRequest:
    task_id = fields.pop("task_id", str(uuid.uuid4()))
    values: dict[str, Any] = {
        "run_id": str(uuid.uuid4()),
        "workspace_id": workspace_id,
        "agent_id": agent_id,
        "task_id": task_id,
        "root_task_id": task_id,
        "goal": "Say hello.",
    }
    return RunRequest(**values | fields)


def make_run(workspace_id: str | None = None, **fields: Any) -> RunRequest:
    """Return the request of a run that has begun."""
    workspace_id = workspace_id or make_workspace()
    request = make_request(workspace_id, make_agent(workspace_id), **fields)
    run_open(request=request, fence=open_fence)
    return request


def make_payer(workspace_id: str, **fields: Any) -> Payer:
    task_id = fields.pop("task_id", str(uuid.uuid4()))
    values: dict[str, Any] = {
        "workspace_id": workspace_id,
        "task_id": task_id,
        "root_task_id": task_id,
        "purpose": "run",
        "endpoint": "local",
        "model": "test-model",
        "priced": True,
    }
    return Payer(**values | fields)


def agent_slug(workspace_id: str, agent_id: str) -> str:
    return agent_detail(workspace_id=workspace_id, agent=agent_id).slug


def usd(text: str) -> Decimal:
    return Decimal(text)
