"""The cluster's settings, as one frozen value."""

from dataclasses import dataclass

from django.conf import settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterConf:
    """What the environment says about workers.

    Attributes:
        lease_s: For how long a claim holds without a heartbeat.
        slots: Tasks that one worker process drives at once.
    """

    lease_s: float
    slots: int


def load() -> ClusterConf:
    """Return the settings as they are now."""
    return ClusterConf(lease_s=float(settings.LOOM_LEASE_S), slots=int(settings.LOOM_SLOTS))
