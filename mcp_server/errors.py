"""What a model reads when a call goes wrong: what happened, what to change, and a stable code."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from django.db import InterfaceError, OperationalError
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, CallToolResult, TextContent

from loomsite.access.core import untrusted
from loomsite.access.core.errors import Stated

logger = logging.getLogger(__name__)


@asynccontextmanager
async def told_to_the_model() -> AsyncGenerator[None]:
    """Turn every expected failure inside into a tool error that a model can act on.

    Anything else stays a crash: the SDK logs it and tells the model only which tool failed.
    """
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        logger.warning("The database cannot be reached: %s", error)
        raise ToolError(
            "The database cannot be reached. Nothing was written; try again in a few seconds."
            " [unavailable]"
        ) from None
    except Exception as error:  # the type is a structural one, which `except` cannot name
        if isinstance(error, Stated):
            raise ToolError(f"{error} [{error.code}]") from None
        raise


@asynccontextmanager
async def told_to_the_client() -> AsyncGenerator[None]:
    """Turn every expected failure inside into a JSON-RPC error, where there is no tool to fail.

    What is missing, foreign, or malformed is the caller's mistake: the same code for all three.
    """
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        logger.warning("The database cannot be reached: %s", error)
        message = "The database cannot be reached; try again in a few seconds. [unavailable]"
        raise MCPError(code=INTERNAL_ERROR, message=message) from None
    except Exception as error:  # the type is a structural one, which `except` cannot name
        if isinstance(error, Stated):
            raise MCPError(code=INVALID_PARAMS, message=f"{error} [{error.code}]") from None
        raise


async def refuse_unstorable(
    ctx: ServerRequestContext[Any, Any], call_next: CallNext
) -> HandlerResult:
    """Refuse values that no row could keep before any tool, resource or prompt sees them."""
    found = untrusted.fault(dict(ctx.params or {}))
    if found is None:
        return await call_next(ctx)
    if ctx.method == "tools/call":
        text = TextContent(type="text", text=f"{found} [access.input_invalid]")
        return CallToolResult(content=[text], is_error=True)
    raise MCPError(code=INVALID_PARAMS, message=found)
