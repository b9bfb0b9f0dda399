"""The limits of a run, and what to do when one is reached."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from agents.core.errors import BudgetExceeded, RunLooping
from agents.core.types import ModelProfile, ToolCall, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """All finite, so that no run is endless."""

    steps: int
    tokens: int
    cost_usd: Decimal
    timeout_s: float

    def __post_init__(self) -> None:
        for name in ("steps", "tokens", "timeout_s"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise ValueError(f"The limit {name!r} must be finite and above 0, not {value!r}.")
        if not (self.cost_usd >= 0 and self.cost_usd.is_finite()):
            raise ValueError(f"The limit 'cost_usd' must be 0 or more, not {self.cost_usd!r}.")

    def check(self, *, steps: int, used: Usage) -> None:
        """Say nothing when one more model call may be made.

        Raises:
            BudgetExceeded: With the limit that is used up.
        """
        if steps >= self.steps:
            raise BudgetExceeded(f"The run used its {self.steps} steps.", limit="steps")
        tokens = used.prompt_tokens + used.completion_tokens
        if tokens >= self.tokens:
            raise BudgetExceeded(
                f"The run used {tokens} tokens; its limit is {self.tokens}.", limit="tokens"
            )
        if used.cost_usd and used.cost_usd >= self.cost_usd:
            raise BudgetExceeded(
                f"The run cost {used.cost_usd} USD; its limit is {self.cost_usd} USD.",
                limit="cost",
            )


MILLION = Decimal(1_000_000)


def cost_usd(profile: ModelProfile, usage: Usage) -> Decimal:
    """Return what the tokens cost; an unknown price counts as nothing."""
    prompt, completion = profile.usd_per_million_prompt, profile.usd_per_million_completion
    if not prompt and not completion:
        return Decimal(0)
    total = (prompt or 0) * usage.prompt_tokens + (completion or 0) * usage.completion_tokens
    return total / MILLION


class Repetition:
    """Notice a model that makes the same calls in step after step."""

    __slots__ = ("_last", "limit", "streak")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.streak = 0
        self._last: tuple[tuple[str, str], ...] = ()

    def see(self, calls: Sequence[ToolCall]) -> bool:
        """Return whether these calls were made so often in a row that they are no longer run.

        Raises:
            RunLooping: Being told did not help.
        """
        made = tuple((call.name, call.arguments) for call in calls)
        self.streak = self.streak + 1 if made == self._last else 1
        self._last = made
        if self.streak >= 2 * self.limit:
            raise RunLooping(
                f"The model called {made[0][0]!r} with the same arguments in {self.streak} steps "
                "in a row."
            )
        return self.streak > self.limit
