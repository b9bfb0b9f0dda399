"""What a workspace's market knows, and what it believes of its nodes, read from the rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from django.db.models import QuerySet

from cluster.core import factors, skill
from cluster.core.evaluator import CHANNEL_START, Channel
from cluster.core.factors import Space
from cluster.core.market import Book
from cluster.core.posterior import Gaussian
from cluster.core.sensing import Trust
from cluster.models import AgentNode, Domain, Market


def book_read(*, workspace_id: str) -> Book:
    """Return what the market of a workspace knows; one that was never opened knows nothing."""
    row = Market.objects.defer("anchors").filter(workspace_id=workspace_id).first()
    if row is None:
        return Book(space=factors.space({}))
    return Book(space=space_read(row), channel=channel_read(row), trust=trust_read(row))


def trust_of(*, workspace_id: str) -> Trust:
    """Return how far SENSE is believed in a workspace."""
    row = Market.objects.defer("anchors").filter(workspace_id=workspace_id).first()
    return Trust() if row is None else trust_read(row)


def space_read(row: Market) -> Space:
    """Return the factors of a market's domains; what they were made from is left in the row."""
    places = (
        Domain.objects.filter(workspace_id=row.workspace_id, state=Domain.State.ACTIVE)
        .exclude(loading=[])
        .values_list("slug", "loading")
    )
    level = np.array(row.level) if row.level else np.zeros(factors.SIZE)
    return Space(
        anchors=(),
        loadings={slug: np.array(loading) for slug, loading in places},
        level=level,
    )


def channel_read(row: Market) -> Channel:
    """Return what scores say, as a market has learned it."""
    if not row.good or not row.bad:
        return CHANNEL_START
    return Channel(good=tuple(row.good), bad=tuple(row.bad))


def trust_read(row: Market) -> Trust:
    """Return how far a market believes SENSE."""
    return Trust(
        cosine=row.cosine_trust,
        cosine_n=row.cosine_n,
        label=row.label_trust,
        label_n=row.label_n,
    )


def population_field(at: Space, nodes: Sequence[AgentNode]) -> skill.Field:
    """Return the beliefs about these nodes, their families read along."""
    families = list({node.family_id: node.family for node in nodes}.values())
    place = {family.pk: n for n, family in enumerate(families)}
    field = skill.Field(
        at, node_count=len(nodes), family_of=[place[node.family_id] for node in nodes]
    )
    field.put_nodes(0, [skill.node_from_row(node.evidence, node.declared) for node in nodes])
    field.put_families(0, [skill.family_from_row(family.evidence) for family in families])
    return field


def beliefs_of(
    *, workspace_id: str, nodes: "QuerySet[Any]", domain: str | None, x: float = 0.5
) -> list[tuple[AgentNode, Gaussian]]:
    """Return what is believed of each of these nodes at work of one domain, or of all alike."""
    at = book_read(workspace_id=workspace_id).space
    rows: list[Any] = list(
        nodes.select_related("agent", "family").defer("own", "influence", "family__tiled")
    )
    asked = factors.features(at, {domain: 1.0} if domain else {}, x)
    return list(zip(rows, population_field(at, rows).predict(asked), strict=True))
