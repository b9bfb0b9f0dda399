"""Sending a webhook's message: signed, through the egress guard, bounded."""

import asyncio
import json
import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

import httpx2
from django.utils import timezone
from standardwebhooks import Webhook as Signer

from agents.assembly.reach import guarded_transport
from agents.assembly.secrets import SecretBox
from agents.core.errors import AgentsError
from cluster.services.webhooks import Outgoing, Tried

TIMEOUT_S = 10.0
REPLY_MAX_BYTES = 64_000


async def send_all(
    outgoing: Sequence[Outgoing], *, box: SecretBox, listed: Collection[str]
) -> list[Tried]:
    """Try each delivery, all at once, and return how each ended, in order."""
    async with httpx2.AsyncClient(
        transport=guarded_transport(listed=listed, max_bytes=REPLY_MAX_BYTES),
        follow_redirects=False,
        trust_env=False,
    ) as client:
        return await asyncio.gather(*(_send(client, out, box) for out in outgoing))


async def _send(client: httpx2.AsyncClient, out: Outgoing, box: SecretBox) -> Tried:
    started = time.monotonic()

    def tried(status_code: int | None, error: str) -> Tried:
        spent_ms = int((time.monotonic() - started) * 1000)
        return Tried(status_code=status_code, error=error, latency_ms=spent_ms)

    body = json.dumps(out.payload, ensure_ascii=False, sort_keys=True)  # the same at every try
    try:
        headers = signed(out.id, body, secret=box.open(out.secret), at=timezone.now())
        async with asyncio.timeout(TIMEOUT_S):
            reply = await client.post(out.url, content=body.encode(), headers=headers)
    except TimeoutError:
        return tried(None, f"No answer within {TIMEOUT_S:g} s.")
    except AgentsError as error:
        return tried(None, str(error))
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return tried(None, str(error) or type(error).__name__)
    said = "" if reply.is_success else f"Answered {reply.status_code}."
    if reply.is_redirect:
        said = f"Answered {reply.status_code}: redirects are not followed, give the final address."
    return tried(reply.status_code, said)


def signed(message_id: str, body: str, *, secret: str, at: datetime) -> dict[str, str]:
    """Return the headers of a message, by the Standard Webhooks scheme."""
    at = at.astimezone(UTC)
    return {
        "content-type": "application/json",
        "user-agent": "loom",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Signer(secret).sign(msg_id=message_id, timestamp=at, data=body),
    }
