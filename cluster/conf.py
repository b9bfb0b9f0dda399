"""The cluster's settings, as one frozen value."""

from dataclasses import dataclass, field

from django.conf import settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterConf:
    """What the environment says about workers.

    Attributes:
        lease_s: For how long a claim holds without a heartbeat.
        slots: Tasks that one worker process drives at once.
        secrets_key: Seals the secrets of webhooks.
        egress_listed: Hosts, addresses and networks that may be reached although they are private.
    """

    lease_s: float
    slots: int
    secrets_key: str = field(repr=False)
    egress_listed: tuple[str, ...]


def load() -> ClusterConf:
    """Return the settings as they are now."""
    return ClusterConf(
        lease_s=float(settings.LOOM_LEASE_S),
        slots=int(settings.LOOM_SLOTS),
        secrets_key=settings.LOOM_SECRETS_KEY,
        egress_listed=tuple(settings.LOOM_EGRESS_ALLOW),
    )
