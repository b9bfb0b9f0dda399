"""What the suite is asked: tools and a prompt that need the client's people, model or folders."""

from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver.context import Context
from mcp_types import (
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    InputRequiredResult,
    ListRootsRequest,
    SamplingMessage,
    TextContent,
)


def ask(message: str, name: str, kind: str = "string") -> ElicitRequest:
    """Return the question for one field."""
    schema = {"type": "object", "properties": {name: {"type": kind}}, "required": [name]}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def sample(text: str, max_tokens: int = 100) -> CreateMessageRequest:
    """Return the request for one message of the client's model."""
    message = SamplingMessage(role="user", content=TextContent(type="text", text=text))
    params = CreateMessageRequestParams(messages=[message], max_tokens=max_tokens)
    return CreateMessageRequest(params=params)


def answered(ctx: Context, key: str) -> dict[str, Any] | None:
    """Return what a person filled in under `key`, or nothing as long as nobody has."""
    response = (ctx.input_responses or {}).get(key)
    if response is None or getattr(response, "action", None) != "accept":
        return None
    return response.content or {}


def register(server: MCPServer) -> None:
    """Add what asks to `server`."""
    _register_questions(server)
    _register_state(server)
    _register_handshake_era(server)


def _register_questions(server: MCPServer) -> None:
    @server.tool(structured_output=False)
    async def test_input_required_result_elicitation(ctx: Context) -> str | InputRequiredResult:
        """Greet somebody by name."""
        if (found := answered(ctx, "user_name")) is None:
            return InputRequiredResult(
                input_requests={"user_name": ask("What is your name?", "name")}
            )
        return f"Hello, {found.get('name')}!"

    @server.tool(structured_output=False)
    async def test_input_required_result_sampling(ctx: Context) -> str | InputRequiredResult:
        """Ask the client's model something."""
        said = (ctx.input_responses or {}).get("capital_question")
        if said is None:
            question = sample("What is the capital of France?")
            return InputRequiredResult(input_requests={"capital_question": question})
        return f"It said: {_said(said)}"

    @server.tool(structured_output=False)
    async def test_input_required_result_list_roots(ctx: Context) -> str | InputRequiredResult:
        """Ask for the client's folders."""
        roots = (ctx.input_responses or {}).get("client_roots")
        if roots is None:
            return InputRequiredResult(input_requests={"client_roots": ListRootsRequest()})
        return f"Folders: {', '.join(str(root.uri) for root in roots.roots)}"

    @server.tool(structured_output=False)
    async def test_input_required_result_capabilities(ctx: Context) -> str | InputRequiredResult:
        """Ask what the client can be asked."""
        capabilities = ctx.client_capabilities
        wanted = {}
        if capabilities and capabilities.elicitation:
            wanted["name"] = ask("What is your name?", "name")
        if capabilities and capabilities.sampling:
            wanted["greeting"] = sample("Greet them.")
        if ctx.input_responses or not wanted:
            return "Asked all there was to ask."
        return InputRequiredResult(input_requests=wanted)

    @server.prompt()
    async def test_input_required_result_prompt(ctx: Context) -> str | InputRequiredResult:
        """Use a context that somebody gives."""
        if (found := answered(ctx, "user_context")) is None:
            question = ask("What context should the prompt use?", "context")
            return InputRequiredResult(input_requests={"user_context": question})
        return f"In the context of {found.get('context')}."


def _register_state(server: MCPServer) -> None:
    @server.tool(structured_output=False)
    async def test_input_required_result_request_state(ctx: Context) -> str | InputRequiredResult:
        """Confirm, and keep a state meanwhile."""
        if answered(ctx, "confirm") is None or ctx.request_state != "waiting":
            return _confirm()
        return "state-ok"

    @server.tool(structured_output=False)
    async def test_input_required_result_tampered_state(ctx: Context) -> str | InputRequiredResult:
        """Confirm, and trust no state that was changed."""
        return _confirm() if answered(ctx, "confirm") is None else "state-ok"

    @server.tool(structured_output=False)
    async def test_input_required_result_multiple_inputs(ctx: Context) -> str | InputRequiredResult:
        """Ask people, model and folders at once."""
        keys = {"user_name", "greeting", "client_roots"}
        if not keys <= set(ctx.input_responses or {}):
            return InputRequiredResult(
                input_requests={
                    "user_name": ask("What is your name?", "name"),
                    "greeting": sample("Generate a greeting", 50),
                    "client_roots": ListRootsRequest(),
                },
                request_state="waiting",
            )
        return f"Hello, {(answered(ctx, 'user_name') or {}).get('name')}!"

    @server.tool(structured_output=False)
    async def test_input_required_result_multi_round(ctx: Context) -> str | InputRequiredResult:
        """Ask twice, one after the other."""
        if ctx.request_state == "round-2" and (colour := answered(ctx, "step2")) is not None:
            return f"Favorite color: {colour.get('color')}"
        if ctx.request_state == "round-1" and answered(ctx, "step1") is not None:
            question = ask("Step 2: What is your favorite color?", "color")
            return InputRequiredResult(input_requests={"step2": question}, request_state="round-2")
        question = ask("Step 1: What is your name?", "name")
        return InputRequiredResult(input_requests={"step1": question}, request_state="round-1")


def _confirm() -> InputRequiredResult:
    question = ask("Please confirm", "ok", "boolean")
    return InputRequiredResult(input_requests={"confirm": question}, request_state="waiting")


def _said(message: Any) -> str:
    content = getattr(message, "content", None)
    return getattr(content, "text", str(content))


def _register_handshake_era(server: MCPServer) -> None:
    """Add what asks in the middle of a call, as clients before 2026 have it."""

    @server.tool(structured_output=False)
    async def test_sampling(ctx: Context, prompt: str) -> str:
        """Ask the client's model."""
        params = sample(prompt).params
        said = await ctx.session.create_message(
            params.messages, max_tokens=params.max_tokens, related_request_id=ctx.request_id
        )
        return f"LLM response: {_said(said)}"

    @server.tool(structured_output=False)
    async def test_elicitation(ctx: Context, message: str) -> str:
        """Ask a person for a name and an address."""
        fields = {
            "username": {"type": "string", "description": "User's response"},
            "email": {"type": "string", "description": "User's email address"},
        }
        return f"User response: {await _elicited(ctx, message, fields, list(fields))}"

    @server.tool(structured_output=False)
    async def test_elicitation_sep1034_defaults(ctx: Context) -> str:
        """Ask with a default for each kind of field."""
        fields = {
            "name": {"type": "string", "default": "John Doe"},
            "age": {"type": "integer", "default": 30},
            "score": {"type": "number", "default": 95.5},
            "status": {
                "type": "string", "enum": ["active", "inactive", "pending"], "default": "active",
            },
            "verified": {"type": "boolean", "default": True},
        }  # fmt: skip
        return f"Elicitation completed: {await _elicited(ctx, 'Who are you?', fields)}"

    @server.tool(structured_output=False)
    async def test_elicitation_sep1330_enums(ctx: Context) -> str:
        """Ask with each kind of choice."""
        options = ["option1", "option2", "option3"]
        titled = [
            {"const": f"value{number}", "title": f"{word} Option"}
            for number, word in enumerate(("First", "Second", "Third"), start=1)
        ]
        choices = [
            {"const": f"value{number}", "title": f"{word} Choice"}
            for number, word in enumerate(("First", "Second", "Third"), start=1)
        ]
        fields = {
            "untitledSingle": {"type": "string", "enum": options},
            "titledSingle": {"type": "string", "oneOf": titled},
            "legacyEnum": {
                "type": "string",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            },
            "untitledMulti": {"type": "array", "items": {"type": "string", "enum": options}},
            "titledMulti": {"type": "array", "items": {"anyOf": choices}},
        }
        return f"Elicitation completed: {await _elicited(ctx, 'Choose.', fields)}"


async def _elicited(
    ctx: Context, message: str, fields: dict[str, Any], required: list[str] | None = None
) -> str:
    schema = {"type": "object", "properties": fields, "required": required or []}
    result = await ctx.session.elicit_form(message, schema, related_request_id=ctx.request_id)
    return f"action={result.action}, content={result.content}"
