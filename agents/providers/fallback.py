"""A second endpoint for when nobody answers at the first."""

from collections.abc import AsyncIterator

from agents.core.errors import ModelUnavailable
from agents.core.ports import ModelDelta, ModelProvider, ModelReply, ModelRequest


class FallbackProvider:
    """Ask the first model; when it is unavailable, the second. Other errors are the first's answer.

    To its users it is the first model: its profile has to be one that the second can live with.
    """

    def __init__(self, first: ModelProvider, second: ModelProvider) -> None:
        self._first, self._second = first, second
        self.model, self.profile = first.model, first.profile
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
