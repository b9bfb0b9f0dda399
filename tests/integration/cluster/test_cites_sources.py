"""`cites_sources` against stored documents: what an answer quotes must stand there."""

import asyncio

import pytest

from cluster.core.types import CitedSpan
from cluster.runner import CheckingJudge
from knowledge import wiring as knowledge
from knowledge.core.types import DocumentInput
from tests.factories.access import make_tenant
from tests.factories.cluster import make_view

pytestmark = pytest.mark.django_db(transaction=True)
TEXT = "A loom weaves cloth.\nIt holds the warp\nunder tension, \u201cmuch of it\u201d."


ANSWERS = [
    ('It says "It holds the warp under  tension" [1].', TEXT[:20], 1.0),
    ("It says \u201ca loom weaves cloth\u201d [1].", TEXT[:20], 1.0),
    ('It says "A loom is made of gold" [1].', TEXT[:20], 0.0),
    ("A loom weaves cloth [1].", "A loom wove cloth.", 0.0),
    ('A "strange word" and no more [1].', TEXT[:20], 1.0),
]


def test_what_an_answer_quotes_must_stand_in_what_it_cites():
    workspace_id = make_tenant().workspace_id
    knowledge.collection_ensure(workspace_id=workspace_id, slug="docs")
    (stored,) = knowledge.ingest(
        workspace_id=workspace_id,
        collection="docs",
        documents=[DocumentInput(external_id="a", text=TEXT)],
    )
    view = make_view(spec={"workspace_id": workspace_id})

    async def checked(answer, quote):
        span = CitedSpan(
            document_id=str(stored.document_id), chunk_id="1", start=0, end=20, quote=quote
        )
        (result,) = await CheckingJudge().check(
            view, checks=({"kind": "cites_sources"},), answer=answer, citations=(span,)
        )
        return answer, quote, result.score

    async def all_checked():
        return [await checked(answer, quote) for answer, quote, _ in ANSWERS]

    assert asyncio.run(all_checked()) == ANSWERS
