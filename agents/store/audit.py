"""The model calls of an audited agent, as entries of its workspace's audit log."""

from agents.core.types import Json
from agents.store.codec import json_storable
from loomsite.access.bridge import db
from loomsite.access.services import audit_write


async def model_call_noted(entry: Json) -> None:
    """Keep an entry of `agents.core.interceptors.Audit`; the run goes on when it is kept."""
    await db(
        audit_write,
        workspace_id=entry["workspace"],
        actor=f"agent:{entry['agent']}",
        door="run",
        action="model.call",
        target=entry["run_id"],
        detail=json_storable(entry),
    )
