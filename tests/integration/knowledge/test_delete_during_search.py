"""Documents that vanish while they are searched: no error, and no citation of what is gone."""

import threading

import pytest
from django.db import connection

from knowledge.core.types import DocumentInput
from knowledge.services.documents import document_delete
from tests.factories.knowledge import make_shelf

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_search_beside_deletes_neither_fails_nor_returns_half_a_document():
    shelf = make_shelf()
    results = shelf.put(
        *(DocumentInput(external_id=f"d{i}", text=f"a loom of number {i}") for i in range(60))
    )
    errors: list[Exception] = []
    ended = threading.Event()

    def delete():
        try:
            for result in results[:50]:
                document_delete(
                    workspace_id=shelf.workspace_id, document_id=str(result.document_id)
                )
        except Exception as error:  # noqa: BLE001 -- shown by the assertion below
            errors.append(error)
        finally:
            connection.close()
            ended.set()

    thread = threading.Thread(target=delete)
    thread.start()
    seen = []
    while not ended.is_set():
        hits = shelf.search("loom number", limit=100)
        assert all(hit.text == hit.text.strip() and hit.document_id for hit in hits)
        seen.append(len(hits))
    thread.join()

    assert errors == []
    assert seen
    assert sorted(shelf.found("loom number", limit=100)) == sorted(f"d{i}" for i in range(50, 60))
