"""Lists of tools as they come from a server: an entry that is none costs only itself.

The client library reads a list as one value and refuses all of it for one bad entry.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Self, cast

import mcp_types
from mcp.client._transport import TransportStreams
from mcp.shared.message import SessionMessage
from mcp_types.methods import validate_server_result
from pydantic import ValidationError

_METHOD = "tools/list"
_NAMED = 80
_DETAIL = 200
_BEFORE_HANDSHAKE = "2025-11-25"


class Sifter:
    """Take from a list of tools what the protocol does not know as one, and note why.

    Attributes:
        version: The protocol's, once it is agreed on.
        unreadable: Why entries were taken out, by their names.
    """

    def __init__(self) -> None:
        self.version = _BEFORE_HANDSHAKE
        self.unreadable: dict[str, str] = {}

    def sift(self, item: object) -> object:
        """Return a message, without the entries of its list of tools that are none."""
        if not isinstance(item, SessionMessage):
            return item
        message = item.message
        if not isinstance(message, mcp_types.JSONRPCResponse):
            return item
        result: Any = message.result
        tools = result.get("tools") if isinstance(result, dict) else None
        if not isinstance(tools, list) or self._fault(result, []):
            return item  # another message, or a list that is broken as a whole
        kept: list[object] = []
        for entry in cast("list[object]", tools):
            fault = self._fault(result, [entry])
            if fault:
                name = _name(entry)
                self.unreadable[name] = f"{name}: {fault}"
            else:
                kept.append(entry)
        if len(kept) < len(cast("list[object]", tools)):
            message.result = {**result, "tools": kept}
        return item

    def _fault(self, result: dict[str, Any], tools: list[object]) -> str:
        """Say why a result with these tools alone would be refused; empty when it would not."""
        page = {**result, "tools": tools}
        try:
            validate_server_result(_METHOD, self.version, page)
            mcp_types.ListToolsResult.model_validate(page, by_name=False)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"] if part not in ("tools", 0))
            return f"{place}: {first['msg']}"[:_DETAIL]
        except (KeyError, ValueError):
            return ""  # a version without such a list: the client library has to say so
        return ""


@asynccontextmanager
async def sifted(
    streams: AbstractAsyncContextManager[TransportStreams], sifter: Sifter
) -> AsyncGenerator[TransportStreams, None]:
    """Yield the streams, with what comes in going through the sifter."""
    async with streams as (incoming, outgoing):
        yield cast("Any", _Sifted(incoming, sifter)), outgoing


class _Sifted:
    """A stream of messages whose lists of tools are sifted."""

    def __init__(self, inner: Any, sifter: Sifter) -> None:  # noqa: ANN401 -- each transport has its own
        self._inner, self._sifter = inner, sifter

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- what a stream has besides
        return getattr(self._inner, name)

    async def receive(self) -> object:
        return self._sifter.sift(await self._inner.receive())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> object:
        return self._sifter.sift(await self._inner.__anext__())

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._inner.__aexit__(*raised)


def _name(entry: object) -> str:
    """Return what an entry calls itself, or the beginning of what it is."""
    name = cast("dict[str, Any]", entry).get("name") if isinstance(entry, dict) else None
    if isinstance(name, str) and name:
        return repr(name[:_NAMED])
    return json.dumps(entry, ensure_ascii=False, default=str)[:_NAMED]
