"""The cluster's parts plugged together: the only module that names them all."""

import asyncio
import os
import socket
import uuid
from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Any, TypeVar

from django.db import connections
from django.utils import timezone

from agents import wiring as agents
from agents.assembly.reach import check_reach
from agents.assembly.secrets import SecretBox
from agents.core.errors import EndpointUnusable
from cluster import conf, growing
from cluster.core.errors import RequestInvalid
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
from cluster.selectors.webhooks import delivery_detail
from cluster.sending import send_all
from cluster.services import webhooks
from cluster.services.domains import centroids_fill
from cluster.services.evolution import prune, skills_retire
from cluster.services.journal import fence
from cluster.services.races import races_look
from cluster.services.step_checks import step_checks_settle
from cluster.services.webhooks import Outgoing
from knowledge import wiring as knowledge
from loomsite.access.bridge import db
from loomsite.access.selectors import workspace_list

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


def webhook_create(
    *,
    workspace_id: str,
    actor: str,
    door: str,
    **fields: Any,  # noqa: ANN401 -- from a door as it came
) -> tuple[str, str]:
    """Create a webhook; return its id and its secret. See `services.webhooks`."""
    return webhooks.webhook_create(
        workspace_id=workspace_id,
        actor=actor,
        door=door,
        seal=_box().seal,
        check_url=_check_reach,
        **fields,
    )


def webhook_update(
    *,
    workspace_id: str,
    webhook_id: str,
    actor: str,
    door: str,
    **changes: Any,  # noqa: ANN401 -- from a door as it came
) -> None:
    """Change a webhook; see `services.webhooks`."""
    webhooks.webhook_update(
        workspace_id=workspace_id,
        webhook_id=webhook_id,
        actor=actor,
        door=door,
        check_url=_check_reach,
        **changes,
    )


def webhook_rotate(*, workspace_id: str, webhook_id: str, actor: str, door: str) -> str:
    """Give a webhook a new secret and return it, the only time; see `services.webhooks`."""
    return webhooks.webhook_rotate(
        workspace_id=workspace_id,
        webhook_id=webhook_id,
        actor=actor,
        door=door,
        seal=_box().seal,
    )


def webhook_test(*, workspace_id: str, webhook_id: str) -> dict[str, Any]:
    """Send a test message now, outside of any transaction, and return its delivery.

    Raises:
        WebhookUnknown: There is none with this id here.
    """
    where = {"workspace_id": workspace_id, "webhook_id": webhook_id}
    delivery_id = webhooks.webhook_greet(**where)
    _sent([webhooks.delivery_prepare(delivery_id)])
    return delivery_detail(**where, delivery_id=delivery_id)


def webhooks_send() -> int:
    """Try the deliveries that are due, and return how many there were."""
    outgoing = webhooks.deliveries_take()
    _sent(outgoing)
    return len(outgoing)


def _sent(outgoing: Sequence[Outgoing]) -> None:
    connections.close_all()  # none is held while others' machines answer
    settings = conf.load()
    tries = asyncio.run(send_all(outgoing, box=_box(), listed=settings.egress_listed))
    for out, tried in zip(outgoing, tries, strict=True):
        webhooks.delivery_record(out, tried)


def _box() -> SecretBox:
    return SecretBox(conf.load().secrets_key, {})


def _check_reach(url: str) -> None:
    try:
        check_reach(url, listed=conf.load().egress_listed)
    except EndpointUnusable as error:
        raise RequestInvalid(f"url: {error}", field="url") from None


def embedder_load() -> None:
    """Load the embedding model, which takes seconds when it is first used."""
    knowledge.embedder().embed(["a goal"])


def ports_for(claim: Claim, cancelled: asyncio.Event, happenings: Happenings) -> Ports:
    """Return the ports of one claimed task; every write they make begins at its fence."""
    guard = partial(fence, claim, happenings)
    return Ports(
        runner=RuntimeRunner(
            fence=guard,
            cancelled=cancelled,
            happenings=happenings,
            checks_settle=partial(step_checks_settle, claim),
        ),
        mind=RuntimeMind(fence=guard),
        judge=CheckingJudge(),
        surroundings=DatabaseSurroundings(centroids_fill=centroids_fill),
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


def grow() -> growing.Grown:
    """End races, evolve and prune lines, make skills of what worked; blocks while models answer."""
    ended = races_look()
    pruned = prune(now=timezone.now())
    return asyncio.run(_alone(_grown(ended, pruned)))


async def _grown(ended: int, pruned: int) -> growing.Grown:
    mind = RuntimeWorkspaceMind()
    evolved = await growing.evolve(evolver=growing.ReflectiveEvolver(mind=mind))
    crystallized: list[str] = []
    retired: list[str] = []
    for workspace in await db(workspace_list):
        workspace_id = workspace["id"]
        retired += await db(skills_retire, workspace_id=workspace_id)
        name = await growing.crystallize(workspace_id, mind=mind, embed=knowledge.embed_texts)
        crystallized += [name] if name else []
    return growing.Grown(
        races=ended,
        pruned=pruned,
        evolved=tuple(evolved),
        crystallized=tuple(crystallized),
        retired=tuple(retired),
    )


async def _alone(work: Awaitable[T]) -> T:
    """Await work on a loop of its own, and close the clients that it opened there."""
    try:
        return await work
    finally:
        await agents.close_clients()
