"""ADAPT: what the market learns."""

from cluster.core.steps import Settle
from cluster.core.types import Executed, Matched, Scaled, Verdict

HARD = frozenset({"unavailable", "timed_out"})
BROKEN = frozenset({"agents.model_refused", "agents.model_error", "agents.model_reply_invalid"})


def failed_hard(executed: Executed) -> bool:
    """Tell whether a run ended by what its endpoint did: that says nothing about skill."""
    return executed.stop in HARD or executed.error_code in BROKEN


def step(matched: Matched, scaled: Scaled, executed: Executed, verdict: Verdict) -> Settle:
    """Return the settlement; it names nobody where there is nothing to learn about anybody."""
    if failed_hard(executed):
        return Settle(
            verdict=verdict, node_id=matched.node_id, hard_error=True, reason=executed.error_code
        )
    if scaled.split and scaled.merge == "assemble":
        return Settle(
            verdict=verdict, node_id=None, reason="the parts were settled with their own agents"
        )
    if not verdict.verified or verdict.score is None:
        return Settle(
            verdict=verdict, node_id=None, reason="nobody checked the answer (not verified)"
        )
    return Settle(verdict=verdict, node_id=matched.node_id, reason="score")
