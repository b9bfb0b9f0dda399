"""What the suite reads: tools with every kind of content, resources, prompts, completions."""

import asyncio
import json
from typing import Annotated, Any

from mcp.server import MCPServer
from mcp.server.mcpserver.context import Context
from mcp.shared.exceptions import MCPError
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    Completion,
    EmbeddedResource,
    EmptyResult,
    ImageContent,
    SetLevelRequestParams,
    SubscribeRequestParams,
    TextContent,
    TextResourceContents,
    UnsubscribeRequestParams,
)
from pydantic import Field

PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8"
    "z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
)
WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA="
PAUSE_S = 0.05

STRICT_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


def register(server: MCPServer) -> None:
    """Add what is read to `server`."""
    _register_contents(server)
    _register_behaviour(server)
    _register_resources(server)
    _register_prompts(server)
    _register_handshake_era(server)


def _embedded(uri: str, mime_type: str, text: str) -> EmbeddedResource:
    contents = TextResourceContents(uri=uri, mime_type=mime_type, text=text)
    return EmbeddedResource(type="resource", resource=contents)


def _image() -> ImageContent:
    return ImageContent(type="image", data=PNG, mime_type="image/png")


def _text(text: str) -> TextContent:
    return TextContent(type="text", text=text)


def _register_contents(server: MCPServer) -> None:
    @server.tool(structured_output=False)
    async def test_simple_text() -> str:
        """Say one sentence."""
        return "This is a simple text response for testing."

    @server.tool(structured_output=False)
    async def test_image_content() -> ImageContent:
        """Show a picture."""
        return _image()

    @server.tool(structured_output=False)
    async def test_audio_content() -> AudioContent:
        """Play nothing, in WAV."""
        return AudioContent(type="audio", data=WAV, mime_type="audio/wav")

    @server.tool(structured_output=False)
    async def test_embedded_resource() -> EmbeddedResource:
        """Hand over a resource within the result."""
        text = "This is an embedded resource content."
        return _embedded("test://embedded-resource", "text/plain", text)

    @server.tool(structured_output=False)
    async def test_multiple_content_types() -> list[TextContent | ImageContent | EmbeddedResource]:
        """Hand over a text, a picture and a resource."""
        body = json.dumps({"test": "data", "value": 123})
        return [
            _text("Multiple content types test:"),
            _image(),
            _embedded("test://mixed-content-resource", "application/json", body),
        ]


def _register_behaviour(server: MCPServer) -> None:
    @server.tool(structured_output=False)
    async def test_tool_with_logging(ctx: Context) -> str:
        """Log three lines."""
        for line in ("started", "processing data", "completed"):
            await _log(ctx, f"Tool execution {line}")
            await asyncio.sleep(PAUSE_S)
        return "Logged three lines."

    @server.tool(structured_output=False)
    async def test_logging_tool(ctx: Context) -> str:
        """Log a line, where the client asked for lines."""
        await _log(ctx, "A line")
        await ctx.report_progress(1, 1)
        return "Logged, where that was wanted."

    @server.tool(structured_output=False)
    async def test_tool_with_progress(ctx: Context) -> str:
        """Report progress three times."""
        for done in (0, 50, 100):
            await ctx.report_progress(done, 100)
            await asyncio.sleep(PAUSE_S)
        return "Reported three times."

    @server.tool(structured_output=False)
    async def test_error_handling() -> str:
        """Fail."""
        raise ValueError("This tool intentionally returns an error for testing")

    @server.tool(structured_output=False)
    async def test_missing_capability(ctx: Context) -> str:
        """Need sampling."""
        capabilities = ctx.client_capabilities
        if capabilities is None or capabilities.sampling is None:
            raise MCPError(
                code=MISSING_REQUIRED_CLIENT_CAPABILITY,
                message="This tool needs sampling.",
                data={"requiredCapabilities": {"sampling": {}}},
            )
        return "Sampling is there."

    @server.tool(structured_output=False)
    async def test_streaming_elicitation(ctx: Context) -> str:
        """Report progress on the way, and ask nobody."""
        await ctx.report_progress(1, 2)
        return "Nothing had to be asked."

    @server.tool(structured_output=False)
    async def test_trigger_tool_change(ctx: Context) -> str:
        """Say that the list of tools has changed."""
        await ctx.notify_tools_changed()
        return "Told."

    @server.tool(structured_output=False)
    async def test_trigger_prompt_change(ctx: Context) -> str:
        """Say that the list of prompts has changed."""
        await ctx.notify_prompts_changed()
        return "Told."

    @server.tool(structured_output=False)
    async def test_custom_headers(
        region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})],
    ) -> str:
        """Take an argument that is mirrored in a header."""
        return f"Region: {region}"


def _register_resources(server: MCPServer) -> None:
    @server.resource("test://static-text", mime_type="text/plain")
    async def static_text() -> str:
        """A text."""
        return "This is the content of the static text resource."

    @server.resource("test://static-binary", mime_type="image/png")
    async def static_binary() -> bytes:
        """A picture."""
        import base64  # noqa: PLC0415 -- used here alone

        return base64.b64decode(PNG)

    @server.resource("test://watched-resource", mime_type="text/plain")
    async def watched() -> str:
        """Something to subscribe to."""
        return "Watched."

    @server.resource("test://template/{id}/data", mime_type="application/json")
    async def templated(id: str) -> str:  # noqa: A002 -- the suite's name
        """Data of one id."""
        return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


def _register_prompts(server: MCPServer) -> None:
    @server.prompt()
    async def test_simple_prompt() -> str:
        """Say one sentence."""
        return "This is a simple prompt for testing."

    @server.prompt()
    async def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
        """Repeat two words."""
        return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"

    @server.prompt()
    async def test_prompt_with_embedded_resource(
        resourceUri: str,  # noqa: N803 -- the suite's name
    ) -> list[Any]:
        """Hand over a resource and what to do with it."""
        return [
            _embedded(resourceUri, "text/plain", "Embedded resource content for testing."),
            _text("Please process the embedded resource above."),
        ]

    @server.prompt()
    async def test_prompt_with_image() -> list[Any]:
        """Hand over a picture and what to do with it."""
        return [_image(), _text("Please analyze the image above.")]

    @server.completion()
    async def complete(ref: Any, argument: Any, context: Any) -> Completion:
        words = ["paris", "park", "party", "testing"]
        found = [word for word in words if word.startswith(argument.value)]
        return Completion(values=found, total=len(found), has_more=False)


def _register_handshake_era(server: MCPServer) -> None:
    """Add what only clients before 2026 call."""

    async def accept(ctx: Any, params: Any) -> EmptyResult:
        return EmptyResult()

    low = server._lowlevel_server
    low.add_request_handler("logging/setLevel", SetLevelRequestParams, accept)
    low.add_request_handler("resources/subscribe", SubscribeRequestParams, accept)
    low.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, accept)


async def _log(ctx: Context, line: str) -> None:
    await ctx.session.send_log_message(level="info", data=line, related_request_id=ctx.request_id)
