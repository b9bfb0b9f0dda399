"""Documents taken in at a door and ingested by a job."""

from datetime import timedelta

import pytest
from django.utils import timezone

from knowledge.core.errors import DocumentRejected, EmbeddingUnavailable
from knowledge.core.types import DocumentInput
from knowledge.loaders.registry import load
from knowledge.models import Document, DocumentSource
from knowledge.services import documents
from knowledge.testing import WordEmbedder
from tests.factories.knowledge import make_shelf

pytestmark = pytest.mark.django_db


def submit(shelf, text="A loom."):
    return documents.document_submit(
        workspace_id=shelf.workspace_id,
        collection=shelf.ref,
        document=DocumentInput(external_id="a", text=text),
    )


def ingest(shelf, document_id):
    return documents.document_ingest(document_id=document_id, load=load, embedder=shelf.embedder)


def test_the_job_runs_twice_and_works_once():
    shelf = make_shelf(embedder=WordEmbedder())
    document_id = submit(shelf)

    assert [ingest(shelf, document_id) for _ in range(2)] == ["ready", "gone"]

    assert len(shelf.embedder.texts) == 1
    assert DocumentSource.objects.count() == 0


def test_a_document_deleted_before_its_job_is_no_error():
    shelf = make_shelf()
    document_id = submit(shelf)
    documents.document_delete(workspace_id=shelf.workspace_id, document_id=document_id)

    assert ingest(shelf, document_id) == "gone"


def test_until_a_new_version_is_ingested_the_old_one_is_found():
    shelf = make_shelf()
    ingest(shelf, submit(shelf, "A loom."))

    document_id = submit(shelf, "A sail.")
    assert shelf.found("loom") == ["a"]
    ingest(shelf, document_id)

    assert [hit.text for hit in shelf.search("loom sail")] == ["A sail."]


def test_while_the_embedder_is_away_the_document_is_pending_with_the_reason():
    shelf = make_shelf(embedder=WordEmbedder())
    document_id = submit(shelf)
    shelf.embedder.away = True

    with pytest.raises(EmbeddingUnavailable):
        ingest(shelf, document_id)

    row = Document.objects.get()
    assert (row.status, row.error_code) == ("pending", "knowledge.embedding_unavailable")
    shelf.embedder.away = False
    assert ingest(shelf, document_id) == "ready"


def test_documents_whose_job_was_lost_are_queued_again_and_only_those():
    shelf = make_shelf()
    document_id = submit(shelf)
    long_ago = timezone.now() - timedelta(hours=1)
    Document.objects.update(status="ingesting", updated_at=long_ago)

    assert documents.documents_requeue(older_than_s=900) == 1
    assert documents.documents_requeue(older_than_s=900) == 0
    assert ingest(shelf, document_id) == "ready"


def test_a_retry_without_the_source_says_what_to_do():
    shelf = make_shelf()
    document_id = submit(shelf)
    ingest(shelf, document_id)

    with pytest.raises(DocumentRejected, match="upload it again"):
        documents.document_retry(workspace_id=shelf.workspace_id, document_id=document_id)
