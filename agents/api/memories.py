"""Memories over REST."""

from typing import ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents import wiring
from agents.api.rendering import RowView, rendered
from agents.selectors import memories as entries
from agents.selectors import memory_curation
from agents.services import memories
from loomsite.access.rest.pagination import page_of
from loomsite.access.rest.parsing import StrictSerializer, TextField
from loomsite.access.rest.views import ApiView


class MemorySerializer(StrictSerializer):
    text = TextField()
    scope = TextField(required=False)
    scope_id = TextField(required=False, allow_blank=True)
    importance = serializers.FloatField(required=False)
    occasion = TextField(
        required=False,
        allow_blank=True,
        max_length=200,
        help_text="When and where it was said, in words; entries of one occasion are neighbours.",
    )
    subject = TextField(
        required=False,
        allow_blank=True,
        max_length=200,
        help_text="Whom it is about: exported and erased together.",
    )
    topic = TextField(
        required=False,
        allow_blank=True,
        max_length=200,
        help_text="The one thing it settles: what held of it until now is closed, and kept.",
    )
    review = serializers.BooleanField(
        required=False, help_text="Somebody must accept it before it closes anything."
    )


class MemoryChangeSerializer(StrictSerializer):
    text = TextField(required=False)
    importance = serializers.FloatField(required=False)
    subject = TextField(required=False, allow_blank=True, max_length=200)
    topic = TextField(required=False, allow_blank=True, max_length=200)
    occasion = TextField(required=False, allow_blank=True, max_length=200)
    valid_until = serializers.DateTimeField(
        required=False, allow_null=True, help_text="It is recalled no more from then on."
    )


class MemoryMergeSerializer(StrictSerializer):
    memory_ids = serializers.ListField(child=serializers.UUIDField(), max_length=50)
    text = TextField(required=False)


class MemoryReviewSerializer(StrictSerializer):
    accepted = serializers.BooleanField()


class MemoryListView(RowView):
    scopes: ClassVar = {"GET": "memory:read", "POST": "memory:write", "DELETE": "memory:write"}

    @extend_schema(operation_id="memories_list", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """List what is remembered, newest first; with `?query=` what fits it, best first.

        `?subject=` lists all there is about a subject, history included: its export. `?review=`
        lists what is pending, accepted or rejected. `?view=` is how a curator looks at them: new,
        unused, contradicting, most_used, pending, fading or expired.
        """
        query = request.query_params.get("query", "")
        page = page_of(request)
        workspace_id = self.principal.workspace_id
        if query:
            hits = wiring.memory_recall(
                workspace_id=workspace_id,
                query=query,
                scope=request.query_params.get("scope", "workspace"),
                scope_id=request.query_params.get("scope_id", ""),
                limit=page.limit,
            )
            return Response({"results": rendered(hits), "next": None})
        if view := request.query_params.get("view", ""):
            rows = memory_curation.memory_view(
                workspace_id=workspace_id, view=view, limit=page.limit
            )
            return Response({"results": rendered(rows), "next": None})
        return self.listed(
            entries.memory_list,
            scope=request.query_params.get("scope"),
            subject=request.query_params.get("subject"),
            review=request.query_params.get("review"),
        )

    @extend_schema(
        operation_id="memories_create",
        request=MemorySerializer,
        responses={201: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request) -> Response:
        """Remember a text."""
        memory_id = wiring.memory_remember(
            **self.where,
            provenance={"source": self.principal.actor},
            **self.valid(MemorySerializer),
        )
        return Response({"id": memory_id}, status=201)

    @extend_schema(operation_id="memories_erase_subject", responses=OpenApiTypes.OBJECT)
    def delete(self, request: Request) -> Response:
        """Erase for good all that is remembered about `?subject=`, history included."""
        count = memories.memories_erase(
            **self.where,
            subject=request.query_params.get("subject"),
        )
        return Response({"erased": count})


class MemoryExportView(ApiView):
    scopes: ClassVar = {"GET": "memory:read"}

    @extend_schema(operation_id="memories_export", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        """Return all that is kept about `?subject=`: entries, their history, and their uses."""
        exported = memory_curation.memories_export(
            **self.where,
            subject=request.query_params.get("subject", ""),
        )
        return Response(exported)


class MemoryMergeView(ApiView):
    scopes: ClassVar = {"POST": "memory:write"}

    @extend_schema(
        operation_id="memories_merge",
        request=MemoryMergeSerializer,
        responses={201: OpenApiTypes.OBJECT},
    )
    def post(self, request: Request) -> Response:
        """Put one entry in the place of several of one scope; those are closed and kept."""
        body = self.valid(MemoryMergeSerializer)
        memory_id = wiring.memories_merge(
            **self.where,
            memory_ids=[str(item) for item in body["memory_ids"]],
            text=body.get("text"),
            actor=self.principal.actor,
        )
        return Response({"id": memory_id}, status=201)


class MemoryView(ApiView):
    scopes: ClassVar = {"GET": "memory:read", "PATCH": "memory:write", "DELETE": "memory:write"}

    @extend_schema(operation_id="memories_get", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, memory_id: str) -> Response:
        """Return an entry, its history, the runs it was put before, and what contradicts it."""
        return Response(memory_curation.memory_detail(**self.where))

    @extend_schema(
        operation_id="memories_change",
        request=MemoryChangeSerializer,
        responses=OpenApiTypes.OBJECT,
    )
    def patch(self, request: Request, memory_id: str) -> Response:
        """Change an entry; what it said before stays in its history."""
        wiring.memory_edit(
            **self.where,
            actor=self.principal.actor,
            **self.valid(MemoryChangeSerializer),
        )
        return self.get(request, memory_id)

    @extend_schema(operation_id="memories_erase", responses={204: None})
    def delete(self, request: Request, memory_id: str) -> Response:
        """Erase an entry for good."""
        memories.memory_erase(**self.where)
        return Response(status=204)


class MemoryReviewView(ApiView):
    scopes: ClassVar = {"POST": "memory:write"}

    @extend_schema(
        operation_id="memories_review", request=MemoryReviewSerializer, responses={204: None}
    )
    def post(self, request: Request, memory_id: str) -> Response:
        """Accept an entry, or reject it so that it is recalled no more."""
        memories.memory_review(
            **self.where,
            **self.valid(MemoryReviewSerializer),
        )
        return Response(status=204)
