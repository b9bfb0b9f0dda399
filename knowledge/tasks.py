"""Jobs: primitives in, safe to run twice."""

from celery import Task, shared_task

from knowledge import wiring
from knowledge.core.errors import EmbeddingUnavailable

_RETRIES = 5
_FORGOTTEN_AFTER_S = 900.0


@shared_task(bind=True, max_retries=_RETRIES)
def document_ingest_job(self: Task, document_id: str) -> None:
    """Ingest a document that was taken in; waits longer each time the embedder is away."""
    try:
        wiring.document_ingest(document_id)
    except EmbeddingUnavailable as error:
        if not error.retryable:
            return  # the document says so
        if self.request.retries >= _RETRIES:
            wiring.document_give_up(document_id, error)
            return
        raise self.retry(exc=error, countdown=5 * 2**self.request.retries) from error


@shared_task
def vectors_index_job(collection_id: int) -> None:
    """Bring the index of a large collection's vectors up to date."""
    wiring.vectors_index(collection_id)


@shared_task
def documents_requeue_job() -> None:
    """Queue documents again whose job was lost with a broker or a worker."""
    wiring.documents_requeue(older_than_s=_FORGOTTEN_AFTER_S)


@shared_task(bind=True, max_retries=None)
def reembedding_job(self: Task, reembedding_id: str) -> None:
    """Carry a collection's move to another embedding model through."""
    try:
        wiring.reembedding_run(reembedding_id)
    except EmbeddingUnavailable as error:
        if error.retryable:  # else the move says so; `reembeddings_resume_job` comes again
            raise self.retry(exc=error, countdown=30) from error


@shared_task
def reembeddings_resume_job() -> None:
    """Go on with moves whose job was lost with a broker or a worker."""
    wiring.reembeddings_resume()
