"""Pages of knowledge: collections, documents and how they were read, and the index beneath."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display
from unfold.widgets import UnfoldAdminFileFieldWidget

from knowledge import selectors, wiring
from knowledge.admin.base import REFUSALS
from knowledge.admin.embedding import EmbeddingPages
from knowledge.admin.searching import SearchPages
from knowledge.admin.uploads import UploadPages
from knowledge.core.analysis import LANGUAGES
from knowledge.core.types import DocumentInput
from knowledge.loaders.registry import MAX_BYTES
from knowledge.models import (
    Chunk,
    ChunkTerms,
    Collection,
    CollectionStatistics,
    Document,
    DocumentSource,
    EmbeddingModel,
    Reembedding,
    StatisticsDelta,
)
from loomsite.access.admin import fields
from loomsite.access.admin.base import LoomAdmin
from loomsite.access.admin.buttons import RowAction
from loomsite.access.admin.display import ago, badge, cut, row, short
from loomsite.access.admin.forms import ServiceForm
from loomsite.access.admin.reach import OPERATOR

_STATUS = {"ready": "success", "failed": "danger", "ingesting": "info", "pending": "warning"}


class CollectionForm(ServiceForm):
    refusals = REFUSALS

    slug = fields.text("Slug", required=True, help_text="Letters, digits, '-' and '_'.")
    name = fields.text("Name", max_length=200)
    description = fields.area("Description", rows=2)
    language = fields.choice(
        "Language", [(name, name) for name in sorted(LANGUAGES)], initial="english"
    )

    def write(self) -> object:
        given = self.cleaned_data
        number, made = wiring.collection_ensure(
            workspace_id=self.workspace_id,
            slug=given["slug"],
            name=given["name"],
            description=given["description"],
            language=given["language"],
        )
        if not made:
            self.add_error("slug", "There is a collection of that name already.")
        return number


class CollectionChangeForm(ServiceForm):
    refusals = REFUSALS

    name = fields.text("Name", max_length=200, required=True)
    description = fields.area("Description", rows=2)

    def write(self) -> object:
        wiring.collection_update(
            workspace_id=self.workspace_id,
            slug=self.instance.slug,
            name=self.cleaned_data["name"],
            description=self.cleaned_data["description"],
        )
        return self.instance.pk


@admin.register(Collection)
class CollectionAdmin(EmbeddingPages, SearchPages):
    adds = changes = deletes = OPERATOR
    refusals = REFUSALS
    add_form = CollectionForm
    change_form = CollectionChangeForm
    change_form_template = "loom/admin/collection.html"
    list_display = ("slug", "name", short("description"), "kind", "language", ago("created_at"))
    list_filter = ("kind",)
    search_fields = ("slug", "name")
    add_fieldsets = ((None, {"fields": ("workspace", "slug", "name", "description", "language")}),)
    change_fieldsets = (
        (None, {"fields": ("workspace", "slug", "name", "description", ("kind", "language"))}),
    )
    readonly_fields = ("slug", "kind", "language")
    empty = "A collection is a set of documents that agents search and cite."

    def extra_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        if obj is None or obj.kind != Collection.Kind.DOCUMENTS:
            return {}
        home, failed = str(obj.workspace_id), self.failed_count(obj)
        return {
            "collection": selectors.collection_detail(workspace_id=home, slug=obj.slug),
            "failed": failed,
            "row_actions": self.actions_for(request, obj) if failed else [],
        }

    def delete_model(self, request: HttpRequest, obj: Any) -> None:  # noqa: ARG002 -- Django's signature
        wiring.collection_delete(workspace_id=str(obj.workspace_id), slug=obj.slug)


class DocumentForm(ServiceForm):
    """A text or a file; it is read by a worker, and its page says how far that is."""

    refusals = REFUSALS

    title = fields.text("Title", max_length=500)
    file = forms.FileField(
        label="File",
        required=False,
        allow_empty_file=True,
        widget=UnfoldAdminFileFieldWidget(),
        help_text="Markdown, HTML, PDF, Office, CSV, JSON, source code or plain text.",
    )
    body = fields.area("Or a text", rows=10)
    external_id = fields.text(
        "External id", max_length=500, help_text="The same one again replaces the document."
    )
    tags = fields.WordsField(label="Tags")

    class Meta:
        model = Document
        fields = ("collection",)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        file, body = cleaned.get("file"), cleaned.get("body", "")
        if bool(file) == bool(body.strip()):
            self.add_error("file", "Give either a file or a text.")
        if file and file.size > MAX_BYTES:
            self.add_error("file", f"At most {MAX_BYTES // 1_000_000} MB.")
        return cleaned

    def write(self) -> object:
        given = self.cleaned_data
        collection: Collection = given["collection"]
        file: UploadedFile | None = given["file"]
        name = (file.name if file else "") or ""
        external_id = given["external_id"] or name or given["title"]
        return wiring.document_submit(
            workspace_id=str(collection.workspace.pk),
            collection=collection.slug,
            document=DocumentInput(
                external_id=external_id,
                title=given["title"],
                text=None if file else given["body"],
                content=file.read() if file else None,
                file_name=name,
                tags=given["tags"],
            ),
        )


@admin.register(Document)
class DocumentAdmin(UploadPages):
    adds = deletes = OPERATOR
    refusals = REFUSALS
    add_form = DocumentForm
    change_form_template = "loom/admin/document.html"
    list_display = (
        "titled",
        row("collection"),
        badge("status", _STATUS),
        short("error", chars=60),
        "source_type",
        "chunk_count",
        ago("created_at"),
    )
    list_select_related = ("collection",)
    list_filter = ("status",)
    search_fields = ("title", "external_id")
    search_window = 5_000
    id_fields = ("id",)
    defer = ("text", "metadata")
    add_fieldsets = (
        (None, {"fields": ("collection", "title", "file", "body")}),
        ("More", {"fields": ("external_id", "tags")}),
    )
    detail_fields = (
        "title", "external_id", "collection", "status", "error", "source_type", "tags", "metadata",
        "chunk_count", "attempt", "created_at", "ingested_at",
    )  # fmt: skip
    row_actions = (
        RowAction(
            name="retry", label="Read it again", icon="refresh", run="retry",
            when=lambda row: row.status in {"failed", "pending"},
        ),
    )  # fmt: skip
    empty = "Upload a file or paste a text; agents find and cite it as soon as it is read."

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        # Memories have a page of their own, with who may see them and how long they hold.
        rows = super().get_queryset(request)
        return rows.exclude(collection__kind=Collection.Kind.MEMORY)

    @display(description="document")
    def titled(self, document: Document) -> str:
        return cut(document, 70)

    def retry(self, request: HttpRequest, document: Document) -> str:  # noqa: ARG002 -- a button's signature
        wiring.document_retry(workspace_id=document.workspace_id, document_id=document.pk)
        return "Queued: a worker reads it again."

    def delete_model(self, request: HttpRequest, obj: Any) -> None:  # noqa: ARG002 -- Django's signature
        wiring.document_delete(workspace_id=obj.workspace_id, document_id=obj.pk)


@admin.register(Chunk)
class ChunkAdmin(LoomAdmin):
    workspace_path = "document__workspace"
    called = "Chunk {row.ordinal} of {row.document}"
    list_display = (row("document"), "ordinal", short("heading"), short("text"), "start", "end")
    list_select_related = ("document",)
    list_display_links = ("ordinal",)
    id_fields = ("document_id",)
    ordering = ("-id",)
    empty = "Documents are cut into chunks when they are read."


@admin.register(ChunkTerms)
class ChunkTermsAdmin(LoomAdmin):
    workspace_path = "chunk__document__workspace"
    called = "Words of chunk {row.chunk.ordinal} of {row.chunk.document}"
    list_display = ("chunk_id", "collection_id", "length")
    defer = ("terms", "counts", "weights")
    hidden = ("weights",)
    ordering = ("-chunk",)
    empty = "The words of chunks, counted, for retrieval by words."


@admin.register(CollectionStatistics)
class CollectionStatisticsAdmin(LoomAdmin):
    workspace_path = "collection__workspace"
    called = "Statistics of {row.collection}"
    list_display = (row("collection"), "chunk_count", "total_length")
    list_select_related = ("collection",)
    list_display_links = ("chunk_count",)
    empty = "How much there is in each collection, for retrieval by words."


@admin.register(DocumentSource)
class DocumentSourceAdmin(LoomAdmin):
    workspace_path = "document__workspace"
    called = "Source of {row.document}"
    list_display = (row("document"), "file_name", ago("submitted_at"))
    list_select_related = ("document",)
    list_display_links = ("file_name",)
    defer = ("content",)
    ordering = ("-submitted_at",)
    empty = "Uploads wait here until they have been read."


@admin.register(EmbeddingModel)
class EmbeddingModelAdmin(LoomAdmin):
    workspace_path = None
    list_display = ("name", "dim", ago("created_at"))
    empty = "Models that have made vectors here."


@admin.register(StatisticsDelta)
class StatisticsDeltaAdmin(LoomAdmin):
    workspace_path = None
    list_display = ("collection_id", "chunk_count", "total_length")
    defer = ("terms", "chunk_counts")
    ordering = ("-id",)
    empty = "Changes of statistics that are not folded in yet."


@admin.register(Reembedding)
class ReembeddingAdmin(LoomAdmin):
    list_display = (
        row("collection"),
        row("from_model", "from"),
        row("to_model", "to"),
        badge("status", {"done": "success", "failed": "danger", "running": "info"}),
        "done",
        "total",
        short("error", chars=60),
        ago("created_at"),
    )
    list_select_related = ("collection", "from_model", "to_model")
    list_filter = ("status",)
    ordering = ("-created_at",)
    empty = "Collections that move from one embedding model to another."
