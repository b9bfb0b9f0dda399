"""What a workspace's market knows, and what it believes of its nodes, read from the rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import QuerySet

from cluster.core import factors, skill
from cluster.core.evaluator import CHANNEL_START, Channel
from cluster.core.factors import Space
from cluster.core.grades import Grades
from cluster.core.market import Book
from cluster.core.posterior import Gaussian
from cluster.core.sensing import Trust
from cluster.models import AgentNode

# One statement, its text ready: every auction and every settlement begins with it. JSON keeps a
# float to the last bit. A domain is unplaced when it could have a place in the factors and has
# none; with nothing to embed them with, each could.
_OPEN = """
SELECT w.settings::json, d.loadings, d.unplaced, m.level, m.good, m.bad, m.seen,
    m.grades, m.cosine_trust, m.cosine_n, m.label_trust, m.label_n
FROM access_workspace w
LEFT JOIN cluster_market m ON m.workspace_id = w.id
CROSS JOIN LATERAL (
    SELECT json_object_agg(slug, loading ORDER BY slug) FILTER (WHERE loading <> '{}') AS loadings,
        coalesce(bool_or(loading = '{}' AND centroid IS NOT NULL)
            OR bool_or(loading = '{}') AND NOT bool_or(centroid IS NOT NULL), false) AS unplaced
    FROM cluster_domain WHERE workspace_id = w.id AND state = 'active'
) d
WHERE w.id = %s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBook:
    """What an auction or a settlement begins with.

    Attributes:
        settings: The workspace's, as its operators wrote them.
        opened: There is a market; without one the book knows nothing.
        unplaced: A domain waits for its place in the factors.
    """

    book: Book
    settings: Mapping[str, Any]
    opened: bool
    unplaced: bool


def book_open(*, workspace_id: str) -> OpenBook:
    """Return what the market of a workspace knows, and what its operators have set."""
    with connection.cursor() as cursor:
        cursor.execute(_OPEN, [workspace_id])
        row = cursor.fetchone()
    if row is None or row[3] is None:
        nothing = Book(space=factors.space({}))
        settings = {} if row is None else row[0]
        return OpenBook(book=nothing, settings=settings, opened=False, unplaced=False)
    settings, loadings, unplaced, level, good, bad, seen, graded, *trust = row
    space = Space(
        anchors=(),  # what the factors were made from is long, and stays in the row
        loadings={slug: np.array(loading) for slug, loading in (loadings or {}).items()},
        level=np.array(level) if level else np.zeros(factors.SIZE),
    )
    book = Book(space=space, channel=channel_of(good, bad, seen, graded), trust=trust_of(*trust))
    return OpenBook(book=book, settings=settings, opened=True, unplaced=unplaced)


def book_read(*, workspace_id: str) -> Book:
    """Return what the market of a workspace knows; one that was never opened knows nothing."""
    return book_open(workspace_id=workspace_id).book


def channel_of(
    good: Sequence[float], bad: Sequence[float], seen: Sequence[float], grades: Sequence[float]
) -> Channel:
    """Return what scores say, as a market has learned it; what is empty has seen nothing."""
    start = CHANNEL_START
    return Channel(
        good=tuple(good) or start.good,
        bad=tuple(bad) or start.bad,
        seen=tuple(seen) or start.seen,
        grades=Grades(*grades) if grades else start.grades,
    )


def trust_of(cosine: float, cosine_n: float, label: float, label_n: float) -> Trust:
    """Return how far a market believes SENSE."""
    return Trust(cosine=cosine, cosine_n=cosine_n, label=label, label_n=label_n)


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
