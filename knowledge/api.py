"""Collections, documents and search over REST."""

import hashlib
from typing import Any, ClassVar

from django.core.files.uploadedfile import UploadedFile
from django.utils.text import slugify
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from knowledge import selectors, wiring
from knowledge.core.errors import DocumentEmpty, DocumentTooLarge
from knowledge.core.retrieval import hit_value
from knowledge.core.types import DocumentInput
from knowledge.loaders.registry import MAX_BYTES
from loomsite.access.core.errors import BodyTooLarge
from loomsite.access.rest.pagination import MAX_LIMIT
from loomsite.access.rest.parsing import (
    JsonObjectField,
    JsonParser,
    StrictSerializer,
    TextField,
)
from loomsite.access.rest.views import ApiView

_READ = "knowledge:read"
_WRITE = "knowledge:write"
_FORM_OVERHEAD = 1_000_000


class BoundedMultiPart(MultiPartParser):
    """A form with a file, refused by its announced length before it is spooled to disk."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:  # noqa: ANN401 -- DRF's signature
        meta = (parser_context or {})["request"].META
        length = str(meta.get("CONTENT_LENGTH") or "")
        if length.isdigit() and int(length) > MAX_BYTES + _FORM_OVERHEAD:
            raise BodyTooLarge(limit_bytes=MAX_BYTES)
        return super().parse(stream, media_type, parser_context)


class CollectionSerializer(StrictSerializer):
    slug = TextField(required=False, max_length=100)
    name = TextField(required=False, max_length=200)
    description = TextField(required=False, allow_blank=True, max_length=10_000)
    language = TextField(required=False, default="english", help_text="Whose stems are counted.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs.get("slug"):
            attrs["slug"] = slugify(attrs.get("name", ""))[:100]
        if not attrs["slug"]:
            raise serializers.ValidationError("Give a slug, or a name to make one of.")
        return attrs


class CollectionChangeSerializer(StrictSerializer):
    name = TextField(required=False, max_length=200)
    description = TextField(required=False, allow_blank=True, max_length=10_000)


class DocumentSerializer(StrictSerializer):
    collection = TextField(max_length=100)
    title = TextField(required=False, default="", allow_blank=True, max_length=500)
    text = TextField(required=False, trim_whitespace=False, allow_blank=True)
    file = serializers.FileField(required=False, allow_empty_file=True, max_length=500)
    external_id = TextField(required=False, max_length=500)
    metadata = JsonObjectField(required=False, default=dict)
    tags = serializers.ListField(child=TextField(max_length=100), required=False, default=list)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("text" in attrs) == ("file" in attrs):
            raise serializers.ValidationError("Give either a text or a file.")
        return attrs


class SearchSerializer(StrictSerializer):
    query = TextField(trim_whitespace=False)
    collection = TextField(required=False, allow_null=True, default=None)
    limit = serializers.IntegerField(required=False, default=8, min_value=1, max_value=MAX_LIMIT)
    filters = JsonObjectField(required=False, allow_null=True, default=None)
    group_by = serializers.ChoiceField(
        choices=["document"], required=False, allow_null=True, default=None
    )
    explain = serializers.BooleanField(required=False, default=False)
    fusion = serializers.ChoiceField(
        choices=["convex", "rrf", "lexical", "dense"], required=False, default="convex"
    )
    rerank = serializers.BooleanField(
        required=False, allow_null=True, default=None, help_text="As the settings say if left out."
    )
    expand = serializers.BooleanField(
        required=False, allow_null=True, default=None, help_text="As the settings say if left out."
    )


class ReembeddingSerializer(StrictSerializer):
    collection = TextField(
        required=False, max_length=100, help_text="All, and the memories, when left out."
    )
    model = TextField(
        required=False, max_length=200, help_text="LOOM_EMBEDDING_MODEL's when left out."
    )


class CollectionListView(ApiView):
    scopes: ClassVar = {"GET": _READ, "POST": _WRITE}

    @extend_schema(operation_id="collections_list", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """List the workspace's collections by slug."""
        return self.listed(selectors.collection_list)

    @extend_schema(
        operation_id="collections_create",
        request=CollectionSerializer,
        responses={200: OpenApiTypes.OBJECT, 201: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request) -> Response:
        """Make a collection; 200 when there is one of that slug already."""
        body = self.valid(CollectionSerializer)
        _, made = wiring.collection_ensure(**self.where, **body)
        row = selectors.collection_detail(**self.where, slug=body["slug"])
        return Response(row, status=201 if made else 200)


class CollectionView(ApiView):
    scopes: ClassVar = {"GET": _READ, "PATCH": _WRITE, "DELETE": _WRITE}

    @extend_schema(operation_id="collections_get", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, slug: str) -> Response:
        """Return a collection and how much is in it."""
        return Response(selectors.collection_detail(**self.where))

    @extend_schema(
        operation_id="collections_change",
        request=CollectionChangeSerializer,
        responses=OpenApiTypes.OBJECT,
    )
    def patch(self, request: Request, slug: str) -> Response:
        """Change a collection's name or description."""
        body = self.valid(CollectionChangeSerializer)
        wiring.collection_update(**self.where, **body)
        return self.get(request, slug)

    @extend_schema(operation_id="collections_delete", responses={204: None})
    def delete(self, request: Request, slug: str) -> Response:
        """Delete a collection with its documents."""
        wiring.collection_delete(**self.where)
        return Response(status=204)


class DocumentListView(ApiView):
    scopes: ClassVar = {"GET": _READ, "POST": _WRITE}
    max_body_bytes: ClassVar[int] = MAX_BYTES
    parser_classes = [JsonParser, BoundedMultiPart]

    @extend_schema(operation_id="documents_list", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """List documents, newest first; `?collection=` and `?status=` narrow the list."""
        asked = request.query_params
        return self.listed(
            selectors.document_list, collection=asked.get("collection"), status=asked.get("status")
        )

    @extend_schema(
        operation_id="documents_create",
        request=DocumentSerializer,
        responses={201: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request) -> Response:
        """Take a document in, as text or as a file, and queue its ingest.

        The collection is made when there is none. The same external id replaces a document; it
        defaults to the file's name, or to the text's digest.
        """
        body = self.valid(DocumentSerializer)
        document = _document_input(body)
        workspace_id = self.principal.workspace_id
        wiring.collection_ensure(workspace_id=workspace_id, slug=body["collection"])
        document_id = wiring.document_submit(
            workspace_id=workspace_id, collection=body["collection"], document=document
        )
        return Response(
            selectors.document_detail(workspace_id=workspace_id, document_id=document_id),
            status=201,
        )


class DocumentView(ApiView):
    scopes: ClassVar = {"GET": _READ, "DELETE": _WRITE}

    @extend_schema(operation_id="documents_get", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, document_id: str) -> Response:
        """Return a document with the text that offsets of hits point into."""
        return Response(selectors.document_detail(**self.where))

    @extend_schema(operation_id="documents_delete", responses={204: None})
    def delete(self, request: Request, document_id: str) -> Response:
        """Delete a document and all that was derived from it."""
        wiring.document_delete(**self.where)
        return Response(status=204)


class DocumentRetryView(ApiView):
    scopes: ClassVar = {"POST": _WRITE}

    @extend_schema(
        operation_id="documents_retry", request=None, responses={202: OpenApiTypes.OBJECT}
    )
    def post(self, request: Request, document_id: str) -> Response:
        """Queue the ingest of a document again that failed."""
        wiring.document_retry(**self.where)
        return Response(selectors.document_detail(**self.where), status=202)


class ReembeddingListView(ApiView):
    scopes: ClassVar = {"GET": _READ, "POST": "admin"}

    @extend_schema(operation_id="reembeddings_list", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """List moves between embedding models and how far they are, the latest first."""
        return self.listed(selectors.reembedding_list)

    @extend_schema(
        operation_id="reembeddings_start",
        request=ReembeddingSerializer,
        responses={202: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request) -> Response:
        """Begin to move collections to another embedding model; they are searched all the while."""
        rows = wiring.reembedding_start(
            workspace_id=self.principal.workspace_id,
            actor=self.principal.actor,
            **self.valid(ReembeddingSerializer),
        )
        return Response({"results": rows, "next": None}, status=202)


class ReembeddingView(ApiView):
    scopes: ClassVar = {"GET": _READ, "DELETE": "admin"}

    @extend_schema(operation_id="reembeddings_get", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, reembedding_id: str) -> Response:
        """Return how far a move is."""
        return Response(selectors.reembedding_detail(**self.where))

    @extend_schema(operation_id="reembeddings_cancel", responses={204: None})
    def delete(self, request: Request, reembedding_id: str) -> Response:
        """Give a move up; the old model goes on serving."""
        wiring.reembedding_cancel(**self.where)
        return Response(status=204)


class SearchView(ApiView):
    scopes: ClassVar = {"POST": _READ}

    @extend_schema(operation_id="search", request=SearchSerializer, responses=OpenApiTypes.OBJECT)
    def post(self, request: Request) -> Response:
        """Find cited passages; offsets are into the document's text."""
        body = self.valid(SearchSerializer)
        collection = body.pop("collection")
        hits = wiring.search(
            workspace_id=self.principal.workspace_id,
            collections=None if collection is None else [collection],
            **body,
        )
        return Response({"hits": [hit_value(hit) for hit in hits]})


def _document_input(body: dict[str, Any]) -> DocumentInput:
    common = {"title": body["title"], "metadata": body["metadata"], "tags": body["tags"]}
    if "text" in body:
        if not body["text"].strip():
            raise DocumentEmpty("The text is empty.")
        digest = hashlib.sha256(f"{body['title']}\x00{body['text']}".encode()).hexdigest()
        external_id = body.get("external_id") or f"text-{digest[:32]}"
        return DocumentInput(external_id=external_id, text=body["text"], **common)
    file: UploadedFile = body["file"]
    name = file.name or "file"
    if (file.size or 0) > MAX_BYTES:
        raise DocumentTooLarge(f"The file is larger than {MAX_BYTES // 2**20} MiB.")
    content = file.read()
    if not content:
        raise DocumentEmpty(f"The file {name!r} is empty.")
    return DocumentInput(
        external_id=body.get("external_id") or name, content=content, file_name=name, **common
    )
