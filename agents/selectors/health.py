"""How the models' endpoints do, for the workspaces of one person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from agents.models import Endpoint

READ_MOST: Final = 2_000
LIST_MOST: Final = 12
_STATES: Final = ("down", "failing", "unknown", "up", "built in", "idle", "off", "removed")
OPENS_AT: Final = 5  # failures in a row: the breaker's own threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """How often an endpoint was called lately, when last, and which model."""

    count: int
    last_at: datetime | None
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointHealth:
    """An endpoint: `state` is what is known of it.

    up (it answered lately), failing, down (its circuit is open), idle (not called lately), off,
    unknown (nobody can say), built in (no network is between), removed (it answered, and has no
    row any more).
    """

    slug: str
    endpoint_id: str | None
    model: str
    state: str
    calls: int
    last_at: datetime | None


def endpoints_health(
    *,
    workspace_ids: Sequence[UUID] | None,
    calls: Mapping[str, Calls],
    failing: Mapping[str, int] | None,
    rowless: Mapping[str, str],
) -> list[EndpointHealth]:
    """Return the endpoints that are configured or were called, those in trouble first.

    Args:
        workspace_ids: Whose; None for all.
        calls: By the endpoint's slug.
        failing: Failures in a row by address; None when nobody knows.
        rowless: Addresses of what answers without a row, by slug; empty: in this process.
    """
    rows = Endpoint.objects.order_by("slug", "pk")
    if workspace_ids is not None:
        rows = rows.filter(workspace_id__in=list(workspace_ids))
    found: list[EndpointHealth] = []
    for row in rows.only("slug", "model", "base_url", "enabled")[:READ_MOST]:
        known = calls.get(row.slug, Calls(count=0, last_at=None, model=""))
        found.append(
            EndpointHealth(
                slug=row.slug,
                endpoint_id=str(row.pk),
                model=row.model or known.model,
                state=_state(row.base_url, known.count, failing) if row.enabled else "off",
                calls=known.count,
                last_at=known.last_at,
            )
        )
    found += [
        EndpointHealth(
            slug=slug,
            endpoint_id=None,
            model=calls[slug].model,
            state=_state_without_row(rowless.get(slug), calls[slug].count, failing),
            calls=calls[slug].count,
            last_at=calls[slug].last_at,
        )
        for slug in set(calls) - {each.slug for each in found} - {""}
    ]
    order = {state: place for place, state in enumerate(_STATES)}
    return sorted(found, key=lambda each: (order[each.state], -each.calls, each.slug))[:LIST_MOST]


def _state_without_row(address: str | None, calls: int, failing: Mapping[str, int] | None) -> str:
    if address is None:
        return "removed"
    return _state(address, calls, failing) if address else "built in"


def _state(address: str, calls: int, failing: Mapping[str, int] | None) -> str:
    if failing is None:
        return "unknown"
    failures = failing.get(address, 0) or failing.get(address.rstrip("/"), 0)
    if failures >= OPENS_AT:
        return "down"
    return "failing" if failures else "up" if calls else "idle"
