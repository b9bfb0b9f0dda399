"""A second endpoint for when nobody answers at the first."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

from agents.core.errors import ModelUnavailable
from agents.core.ports import ModelDelta, ModelProvider, ModelReply, ModelRequest
from agents.core.types import ModelProfile


class FallbackProvider:
    """Ask the first model; when it is unavailable, the second. Other errors are the first's answer.

    To its users it is the first model, with no more abilities than both have and the dearer of
    their prices: what is promised and set aside has to hold whoever answers. Each reply is priced
    and booked by the one that gave it.
    """

    def __init__(self, first: ModelProvider, second: ModelProvider) -> None:
        self._first, self._second = first, second
        self.model, self.profile = first.model, _common(first.profile, second.profile)
        self.world, self.count = first.world, first.count

    async def complete(self, request: ModelRequest) -> ModelReply:
        try:
            return await self._first.complete(request)
        except ModelUnavailable:
            return await self._second.complete(request)

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelDelta]:
        """Yield the reply's pieces; once the first model has begun, the second is not asked."""
        begun = False
        try:
            async for delta in self._first.stream(request):
                begun = True
                yield delta
        except ModelUnavailable:
            if begun:
                raise
        else:
            return
        async for delta in self._second.stream(request):
            yield delta

    async def close(self) -> None:
        await self._first.close()
        await self._second.close()


def _common(first: ModelProfile, second: ModelProfile) -> ModelProfile:
    """Return what holds for both; tools and streams each emulates for itself."""
    return replace(
        first,
        json_schema=first.json_schema and second.json_schema,
        judging=first.judging and second.judging,
        context_tokens=min(first.context_tokens, second.context_tokens),
        usd_per_million_prompt=_dearer(first.usd_per_million_prompt, second.usd_per_million_prompt),
        usd_per_million_completion=_dearer(
            first.usd_per_million_completion, second.usd_per_million_completion
        ),
    )


def _dearer(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    known = [price for price in (one, other) if price is not None]
    return max(known) if known else None
