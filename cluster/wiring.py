"""The cluster's parts plugged together: the only module that names them all."""

import asyncio
import os
import socket
import uuid
from functools import partial

from agents import wiring as agents
from cluster import conf
from cluster.core.perform import Ports
from cluster.core.types import Claim
from cluster.reactor import Reactor
from cluster.runner import (
    CheckingJudge,
    DatabaseSurroundings,
    Happenings,
    RuntimeMind,
    RuntimeRunner,
)
from cluster.services.journal import fence
from knowledge import wiring as knowledge


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
    )
