"""The MCP inspector's command line as a client of the product."""

import json
from pathlib import Path

from tests.conformance import node
from tests.conformance.tally import Tally, say

_CALLS = {
    "tools/list --strict": ["--method", "tools/list", "--strict"],
    "resources/list": ["--method", "resources/list"],
    "resources/templates/list": ["--method", "resources/templates/list"],
    "prompts/list": ["--method", "prompts/list"],
    "resources/read": ["--method", "resources/read", "--uri", "cluster://status"],
    "prompts/get": [
        "--method", "prompts/get", "--prompt-name", "delegate", "--prompt-args", "goal=Name a moon",
    ],
    "tools/call": ["--method", "tools/call", "--tool-name", "list_tasks", "--tool-arg", "limit=1"],
}  # fmt: skip


def inspect(tools: node.Tools, url: str, log: Path) -> Tally:
    """Make each kind of call; it passes when the inspector is content and prints a result."""
    program = tools.modules / "@modelcontextprotocol/inspector"
    launcher = tools.modules / ".bin" / "mcp-inspector"
    failed = []
    log.unlink(missing_ok=True)
    for name, arguments in _CALLS.items():
        code, text = tools.run(
            [str(launcher.resolve() if launcher.exists() else program), "--cli", url, *arguments],
            log,
            fresh=False,
        )
        if code != 0 or not _is_result(text) or "Warning: tool" in text:
            failed.append(f"{name} (exit code {code})")
    tally = Tally(suite="inspector", passed=len(_CALLS) - len(failed), failed=tuple(failed))
    say(tally.line())
    return tally


def _is_result(text: str) -> bool:
    start = text.find("{")
    if start < 0:
        return False
    value, _ = json.JSONDecoder().raw_decode(text[start:])
    return isinstance(value, dict) and not value.get("isError")
