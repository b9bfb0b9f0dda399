"""Writes of what runs teach about the sources that share a window."""

from django.db import transaction

from agents.core.context import weighed
from agents.models import ContextShares, Run
from loomsite.access.ids import uuid_of


def context_judged(*, workspace_id: str, run_id: str, score: float | None) -> None:
    """Let an agent learn, once, from a run whose answer was looked at.

    Call it in the transaction that keeps the evaluation.

    Args:
        workspace_id: Whose run.
        run_id: Which run; one that is not here, or that used nothing, teaches nothing.
        score: What the answer was worth, in [0, 1]; None when nobody could tell, which leaves what
            was used to speak for itself.
    """
    with transaction.atomic():
        rows = Run.objects.select_for_update().filter(workspace_id=workspace_id, pk=uuid_of(run_id))
        run = rows.first()
        if run is None or not run.context_used:
            return
        ContextShares.objects.get_or_create(
            agent=run.agent, defaults={"workspace_id": workspace_id}
        )
        shares = ContextShares.objects.select_for_update().get(agent=run.agent)
        helped = 1.0 if score is None else min(1.0, max(0.0, score))
        shares.weights = weighed(shares.weights, run.context_used, helped=helped)
        shares.run_count += 1
        shares.save(update_fields=["weights", "run_count", "updated_at"])
        run.context_used = {}
        run.save(update_fields=["context_used"])
