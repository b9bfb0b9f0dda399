"""How well the runs did that memories were put before."""

from agents.models import MemoryUse


def memory_uses_settle(*, workspace_id: str, run_id: str, score: float) -> int:
    """Note a run's evaluated score beside each memory it was given, and return how many those are.

    A later evaluation replaces an earlier one.
    """
    uses = MemoryUse.objects.filter(run__workspace_id=workspace_id, run_id=run_id)
    return uses.update(outcome=min(1.0, max(0.0, score)))
