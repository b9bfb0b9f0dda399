"""Which memories were put before which run, and what is left of their worth after how those did."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Case, F, FloatField, Q, Sum, Value, When

from agents.models import MemoryUse, Run

_BENEFIT_OF_THE_DOUBT = 2.0  # runs that went well which an entry starts with
# A run that ended in an error and was never scored did nobody good.
_SCORED = Q(outcome__isnull=False) | (Q(run__status=Run.Status.ENDED) & ~Q(run__error_code=""))


def note(
    *, workspace_id: str, run_id: str, scores: Mapping[str, float], held_out: bool = False
) -> None:
    """Keep that these entries, by id and score, were put before a run, or kept from it by lot."""
    run = Run.objects.filter(workspace_id=workspace_id, pk=run_id).first() if run_id else None
    if run is None:
        return
    MemoryUse.objects.bulk_create(
        [
            MemoryUse(memory_id=memory_id, run=run, score=score, held_out=held_out)
            for memory_id, score in sorted(scores.items())
        ],
        ignore_conflicts=True,
    )


def trust(ids: Sequence[Any]) -> dict[Any, float]:
    """Return what share of each entry's worth is left, for those with evidence.

    That is the mean score of the runs it was put before, two perfect ones granted at the start. A
    memory that is put before run after run and never helps fades towards nothing.
    """
    found = (
        MemoryUse.objects.filter(_SCORED, memory_id__in=list(ids), held_out=False)
        .order_by()
        .values("memory_id")
        .annotate(
            runs=Sum(Value(1.0), output_field=FloatField()),
            gained=Sum(
                Case(
                    When(outcome__isnull=False, then=F("outcome")),
                    default=Value(0.0),
                    output_field=FloatField(),
                )
            ),
        )
    )
    return {
        row["memory_id"]: (row["gained"] + _BENEFIT_OF_THE_DOUBT)
        / (row["runs"] + _BENEFIT_OF_THE_DOUBT)
        for row in found
    }
