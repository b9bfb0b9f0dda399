"""A collection's embedding model: which it is, and moving to another one with progress."""

from typing import Any, ClassVar

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from knowledge import selectors, wiring
from knowledge.admin.base import REFUSALS
from knowledge.core.errors import DocumentRejected
from knowledge.models import Collection, Document, Reembedding
from loomsite.access.admin import once
from loomsite.access.admin.base import LoomAdmin
from loomsite.access.admin.buttons import RowAction, reason_of
from loomsite.access.admin.extra import ExtraPage
from loomsite.access.admin.reach import OPERATOR, actor_of

_MOVES_SHOWN = 20


class EmbeddingPages(LoomAdmin):
    """A collection's vectors, and the button that has its failed documents read again."""

    row_pages: ClassVar = (
        ExtraPage(name="embedding", label="Embedding", icon="scatter_plot", view="embedding_view"),
    )
    row_actions: ClassVar = (
        RowAction(
            name="retry_failed", label="Read all failed again", icon="refresh", run="retry_failed",
            when=lambda row: row.kind == Collection.Kind.DOCUMENTS,
        ),
    )  # fmt: skip

    def failed_count(self, collection: Collection) -> int:
        """Return how many documents could not be read."""
        return Document.objects.filter(collection=collection, status=Document.Status.FAILED).count()

    def retry_failed(self, request: HttpRequest, collection: Any) -> str:  # noqa: ARG002 -- a button's signature
        count = wiring.documents_retry(
            workspace_id=collection.workspace_id, collection=collection.slug
        )
        left = self.failed_count(collection)
        said = f"Queued: {count} document{'' if count == 1 else 's'} will be read again."
        if left and not count:
            raise DocumentRejected(f"None of the {left} can be read again: upload them anew.")
        return said if not left else f"{said} {left} cannot: upload them again."

    def embedding_view(self, request: HttpRequest, collection: Any) -> HttpResponse:
        """Show the collection's model and its moves to others; begin one, or give one up."""
        may_move = (
            self.may(request, OPERATOR, collection) and collection.kind == Collection.Kind.DOCUMENTS
        )
        if request.method == "POST":
            if may_move:
                self._move(request, collection)
            else:
                messages.error(request, "Operators of the workspace move its collections.")
            return HttpResponseRedirect(self.extra_url("embedding", collection))
        rows = Reembedding.objects.filter(collection=collection)
        moves = list(rows.select_related("from_model", "to_model")[:_MOVES_SHOWN])
        return self.page(
            request,
            "embedding",
            f"{collection.slug}: embedding",
            row=collection,
            here="embedding",
            model=collection.embedding_model,
            moves=[{"row": row, "share": _share(row)} for row in moves],
            active=any(row.status in Reembedding.ACTIVE for row in moves),
            moving=Reembedding.MOVING,
            may_move=may_move,
        )

    def _move(self, request: HttpRequest, collection: Any) -> None:
        home, reason = str(collection.workspace_id), reason_of(request)
        gone = request.POST.get("cancel", "").replace("\x00", "")
        model = request.POST.get("model", "").replace("\x00", "").strip()[:200] or None
        if not reason:
            messages.error(request, "Say why: it is written to the audit.")
            return
        try:
            once.spend(request, workspace_id=home, target=None)
            if gone:
                move = selectors.reembedding_detail(workspace_id=home, reembedding_id=gone)
                wiring.reembedding_cancel(workspace_id=home, reembedding_id=move["id"])
                said = "Given up: the collection stays with its model."
            else:
                # It asks the model for a vector first: no transaction is held meanwhile.
                begun = wiring.reembedding_start(
                    workspace_id=home, collection=collection.slug, model=model,
                    actor=actor_of(request),
                )  # fmt: skip
                said = (
                    "Begun: searches use the old vectors until all new ones are there."
                    if begun
                    else "It has all its vectors by that model already."
                )
        except once.SentBefore as before:
            messages.warning(request, str(before))
        except REFUSALS as error:
            messages.error(request, str(error))
        else:
            verb = "reembed_cancel" if gone else "reembed"
            self.audit(request, collection, verb, reason=reason, model=model or "")
            messages.success(request, said)


def _share(move: Reembedding) -> str:
    return f"{100 * min(move.done / move.total, 1):.1f}" if move.total else "0"
