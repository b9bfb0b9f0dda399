"""Jobs: primitives in, safe to run twice."""

from celery import shared_task

from agents import wiring


@shared_task
def reservations_expire_job() -> None:
    """Give back the money that callers hold who died."""
    wiring.reservations_expire()


@shared_task
def sessions_consolidate_job() -> None:
    """Keep in memory what was said in conversations that have come to rest."""
    wiring.sessions_consolidate()


@shared_task
def memories_index_job() -> None:
    """Make findable what was remembered before there was an index, a few hundred at a time."""
    wiring.memories_index()


@shared_task
def mcp_connections_refresh_job() -> None:
    """Ask MCP servers what they offer by now; what they changed is held for review."""
    wiring.mcp_connections_refresh()
