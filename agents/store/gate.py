"""The gate of a run: the pure policy decides, and each refusal becomes a row."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from django.db import transaction

from agents.core.types import ToolCall, ToolSpec
from agents.models import Violation
from agents.store.codec import storable
from loomsite.access.bridge import db

_LONGEST_ARGUMENTS = 4000

Decide = Callable[[ToolCall, ToolSpec | None], tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DbGate:
    """`Gate` over a policy; a run that is taken up again adds no second row for the same call."""

    workspace_id: str
    run_id: str
    agent_id: str
    decide_call: Decide
    fence: Callable[[], None]

    async def decide(self, *, call: ToolCall, tool: ToolSpec | None) -> tuple[str, str]:
        verdict, reason = self.decide_call(call, tool)
        if verdict == "deny":
            await db(self._violation, call=call, reason=reason)
        return verdict, reason

    def _violation(self, *, call: ToolCall, reason: str) -> None:
        digest = hashlib.sha256(call.arguments.encode(errors="replace")).hexdigest()[:16]
        with transaction.atomic():
            self.fence()
            Violation.objects.get_or_create(
                run_id=self.run_id,
                key=f"{storable(call.id)[:200]}:{digest}",
                defaults={
                    "workspace_id": self.workspace_id,
                    "agent_id": self.agent_id,
                    "tool": storable(call.name)[:128],
                    "arguments": storable(call.arguments)[:_LONGEST_ARGUMENTS],
                    "reason": storable(reason),
                },
            )
