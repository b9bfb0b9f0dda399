"""When to call an endpoint again: full jitter, its own wish, its breaker, and the deadline."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from agents.core.errors import ModelRefused, ModelReplyInvalid, ModelUnavailable
from agents.core.ports import Breaker, World

BASE_S, CAP_S = 0.5, 20.0
T = TypeVar("T")


def backoff_s(attempt: int, retry_after_s: float | None, rng: Random) -> float:
    """Return the pause behind the attempt-th failure (from 0).

    The endpoint's wish is a floor, with up to a tenth on top, so that callers who were refused
    together do not come back together; without one it is "full jitter".

    Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    if retry_after_s is not None:
        return retry_after_s * (1 + rng.random() / 10)
    return rng.uniform(0, min(CAP_S, BASE_S * 2 ** min(attempt, 10)))


@dataclass(slots=True, kw_only=True)
class Retries:
    """Run the calls of one endpoint.

    A loop of our own instead of a library's: between two attempts it has to ask the breaker, the
    deadline and the endpoint's `Retry-After`, and on the first attempt it must cost nothing.
    """

    endpoint: str
    world: World
    breaker: Breaker | None
    max_attempts: int
    last_fault: str = ""

    async def run(self, call: Callable[[float], Awaitable[T]], *, timeout_s: float) -> T:
        """Return what the call gives; it is told how many seconds it has.

        Raises:
            ModelUnavailable: After the last attempt, at the deadline, or with an open circuit.
        """
        until = self.world.monotonic() + timeout_s
        attempt = 0
        while True:
            left = until - self.world.monotonic()
            problem = await self._circuit_open()
            if problem is not None:
                raise problem
            try:
                result = await call(left)
            except TimeoutError:
                problem = ModelUnavailable(
                    f"No answer within {timeout_s:g} s.", code="agents.model_timeout"
                )
            except ModelUnavailable as error:
                problem = error
            except (ModelRefused, ModelReplyInvalid):
                await self._report(up=True)
                raise
            else:
                await self._report(up=True)
                return result
            self.last_fault = str(problem)
            if problem.code != "agents.rate_limited":
                await self._report(up=False)
            attempt += 1
            pause = backoff_s(attempt - 1, problem.retry_after_s, self.world.rng)
            late = self.world.monotonic() + pause >= until
            if late or not problem.retryable or attempt >= self.max_attempts:
                raise problem
            await self.world.sleep(pause)

    async def _circuit_open(self) -> ModelUnavailable | None:
        wait = 0.0 if self.breaker is None else await self.breaker.allow(self.endpoint)
        if wait <= 0:
            return None
        address = self.endpoint.partition("#")[0]
        last = f" ({self.last_fault.rstrip('.')})" if self.last_fault else ""
        return ModelUnavailable(
            f"The endpoint {address} failed too often{last}; next try in {wait:.0f} s.",
            code="agents.circuit_open",
            retry_after_s=wait,
        )

    async def _report(self, *, up: bool) -> None:
        if self.breaker is None:
            return
        if up:
            await self.breaker.succeeded(self.endpoint)
        else:
            await self.breaker.failed(self.endpoint)
