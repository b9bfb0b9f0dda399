"""The stdio transport of an MCP server that is started here: bounded lines, drained stderr."""

import asyncio
import os
import signal
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import anyio
import mcp_types
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client._transport import TransportStreams
from mcp.client.stdio import get_default_environment
from mcp.shared.message import SessionMessage

MAX_LINE_BYTES = 16 * 1024 * 1024
STDERR_KEPT_BYTES = 2_000
_STOP_S = 2.0
_READ_BYTES = 65_536

Incoming = SessionMessage | Exception


class Stderr:
    """The end of what a server wrote to stderr; the rest is thrown away as it comes."""

    def __init__(self) -> None:
        self._kept: deque[int] = deque(maxlen=STDERR_KEPT_BYTES)

    def __str__(self) -> str:
        return bytes(self._kept).decode("utf-8", "replace").strip()

    async def drain(self, stream: asyncio.StreamReader) -> None:
        while piece := await stream.read(_READ_BYTES):
            self._kept.extend(piece[-STDERR_KEPT_BYTES:])


@asynccontextmanager
async def stdio_streams(
    command: Sequence[str], *, environment: Mapping[str, str], stderr: Stderr, ended: asyncio.Event
) -> AsyncGenerator[TransportStreams, None]:
    """Start a server and yield the streams to and from it; it is gone when the block is left.

    Args:
        command: The program, by a path or by a name on PATH, and its arguments.
        environment: Added to the few harmless variables that it gets of ours.
        stderr: Keeps the end of what it says there.
        ended: Set once it says nothing any more, or a line that is too long.

    Raises:
        OSError: It cannot be started.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**get_default_environment(), **environment},
        cwd="/",
        limit=MAX_LINE_BYTES,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    heard, incoming = anyio.create_memory_object_stream[Incoming](0)
    outgoing, said = anyio.create_memory_object_stream[SessionMessage](0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_listen, process.stdout, heard, ended)
        tasks.start_soon(_speak, process.stdin, said, heard)
        tasks.start_soon(stderr.drain, process.stderr)
        try:
            yield incoming, outgoing
        finally:
            with anyio.CancelScope(shield=True):
                await _stopped(process)
                for stream in (incoming, outgoing, heard, said):
                    await stream.aclose()
            tasks.cancel_scope.cancel()


async def _listen(
    stdout: asyncio.StreamReader, heard: MemoryObjectSendStream[Incoming], ended: asyncio.Event
) -> None:
    """Pass on each line that is a message; what else is printed there is not for us."""
    try:
        async with heard:
            with suppress(ValueError, ConnectionError):  # a line beyond the limit
                while line := await stdout.readline():
                    try:
                        message = mcp_types.jsonrpc_message_adapter.validate_json(
                            line, by_name=False
                        )
                    except ValueError:
                        continue
                    await heard.send(SessionMessage(message))
    except (anyio.ClosedResourceError, anyio.BrokenResourceError):
        pass  # the session is gone
    finally:
        ended.set()


async def _speak(
    stdin: asyncio.StreamWriter,
    said: MemoryObjectReceiveStream[SessionMessage],
    heard: MemoryObjectSendStream[Incoming],
) -> None:
    with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
        try:
            async for item in said:
                text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
                stdin.write(text.encode() + b"\n")
                await stdin.drain()
        except ConnectionError:
            await heard.aclose()  # so that nobody waits for an answer


async def _stopped(process: asyncio.subprocess.Process) -> None:
    """Let the server end by itself, then end it and all it started."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(_STOP_S):
            await process.wait()
    except TimeoutError:
        pass
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(TimeoutError):
        async with asyncio.timeout(_STOP_S):
            await process.wait()
    # A pipe that a grandchild still holds would keep it open, and nothing public closes it.
    transport: asyncio.SubprocessTransport | None = getattr(process, "_transport", None)
    if transport is not None:
        transport.close()
