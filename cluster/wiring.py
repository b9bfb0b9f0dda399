"""The cluster's parts plugged together: the only module that names them all."""

import asyncio
import os
import socket
import uuid
from collections.abc import Awaitable
from functools import partial
from typing import TypeVar

from agents import wiring as agents
from cluster import conf, growing
from cluster.core.perform import Ports
from cluster.core.types import Claim
from cluster.reactor import Reactor
from cluster.runner import (
    CheckingJudge,
    DatabaseSurroundings,
    Happenings,
    MeasuredBelief,
    RuntimeMind,
    RuntimeRunner,
    RuntimeWorkspaceMind,
)
from cluster.selectors.judging import audits_due
from cluster.services.journal import fence
from knowledge import wiring as knowledge

T = TypeVar("T")


def reactor() -> Reactor:
    """Return this process's reactor, not yet started; its name is never used twice."""
    settings = conf.load()
    name = f"{socket.gethostname()[:60]}:{os.getpid()}:{uuid.uuid4().hex[:6]}"
    return Reactor(
        name=name,
        slots=settings.slots,
        lease_s=settings.lease_s,
        ports_for=ports_for,
        at_start=embedder_load,
        at_end=agents.close_clients,
    )


def embedder_load() -> None:
    """Load the embedding model, which takes seconds when it is first used."""
    knowledge.embedder().embed(["a goal"])


def ports_for(claim: Claim, cancelled: asyncio.Event, happenings: Happenings) -> Ports:
    """Return the ports of one claimed task; every write they make begins at its fence."""
    guard = partial(fence, claim, happenings)
    return Ports(
        runner=RuntimeRunner(fence=guard, cancelled=cancelled, happenings=happenings),
        mind=RuntimeMind(fence=guard),
        judge=CheckingJudge(),
        surroundings=DatabaseSurroundings(),
        belief=MeasuredBelief(),
    )


def judge_audit(*, workspace_id: str, actor: str = "") -> growing.Audited:
    """Let the judge grade the calibration set; blocks while the model is asked."""
    return asyncio.run(
        _alone(growing.judge_audit(workspace_id, mind=RuntimeWorkspaceMind(), actor=actor))
    )


def judge_audits() -> int:
    """Measure the judges that are due; return how many."""
    due = audits_due()
    for workspace_id in due:
        judge_audit(workspace_id=workspace_id, actor="beat")
    return len(due)


async def _alone(work: Awaitable[T]) -> T:
    """Await work on a loop of its own, and close the clients that it opened there."""
    try:
        return await work
    finally:
        await agents.close_clients()
