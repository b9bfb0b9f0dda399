"""A circuit breaker for one process; one that all workers share keeps the same promises."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class _Circuit:
    failures: int = 0
    open_until: float = 0.0
    probing: bool = False


class MemoryBreaker:
    """Open after `threshold` failures in a row; after `open_s` let one probe through.

    The probe's success closes the circuit, its failure opens it again, for twice as long each time
    up to `max_open_s`.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        *,
        threshold: int = 5,
        open_s: float = 5.0,
        max_open_s: float = 120.0,
    ) -> None:
        self._monotonic = monotonic
        self._threshold = threshold
        self._open_s = open_s
        self._max_open_s = max_open_s
        self._circuits: dict[str, _Circuit] = {}

    async def allow(self, endpoint: str) -> float:
        circuit = self._circuits.get(endpoint)
        if circuit is None or circuit.failures < self._threshold:
            return 0.0
        wait = circuit.open_until - self._monotonic()
        if wait > 0:
            return wait
        if circuit.probing:
            return self._open_s
        circuit.probing = True
        # A probe that never reports (its process was cancelled) must not shut the circuit for ever.
        circuit.open_until = self._monotonic() + self._max_open_s
        return 0.0

    async def succeeded(self, endpoint: str) -> None:
        self._circuits.pop(endpoint, None)

    async def failed(self, endpoint: str) -> None:
        circuit = self._circuits.setdefault(endpoint, _Circuit())
        circuit.failures += 1
        circuit.probing = False
        beyond = circuit.failures - self._threshold
        if beyond >= 0:
            # The exponent is bounded before the power is taken: failures have no upper end.
            pause = min(self._open_s * 2 ** min(beyond, 16), self._max_open_s)
            circuit.open_until = self._monotonic() + pause
