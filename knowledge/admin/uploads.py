"""Uploads: several files at once, each with its progress: sent, read, ready or why not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from knowledge import wiring
from knowledge.admin.base import REFUSALS
from knowledge.core.types import DocumentInput
from knowledge.loaders.registry import MAX_BYTES
from knowledge.models import Collection
from loomsite.access.admin.base import LoomAdmin
from loomsite.access.admin.buttons import DOOR
from loomsite.access.admin.extra import ExtraPage
from loomsite.access.admin.reach import OPERATOR, actor_of, reach_of
from loomsite.access.admin.workspaces import workspaces_of
from loomsite.access.ids import uuids_of
from loomsite.access.services import audit_write

_COLLECTIONS, _FILES, _WATCHED = 200, 100, 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of one file that was sent."""

    name: str
    document_id: str = ""
    error: str = ""


class UploadPages(LoomAdmin):
    """Several files at once, each with its progress: sent, read, ready or why not."""

    list_pages: ClassVar[Sequence[ExtraPage]] = (
        ExtraPage(name="upload", label="Upload files", icon="upload", view="upload_view",
                  role=OPERATOR),
        ExtraPage(name="progress", label="", icon="", view="progress_view", tab=False),
    )  # fmt: skip

    def upload_view(self, request: HttpRequest) -> HttpResponse:
        """Take files in; scripts send them one by one and get JSON, forms all at once."""
        if request.method == "POST":
            return self._upload(request)
        rows = (
            self._targets(request).select_related("workspace").order_by("workspace__slug", "slug")
        )
        return self.page(
            request,
            "upload",
            "Upload files",
            collections=list(rows[:_COLLECTIONS]),
            chosen=request.GET.get("collection", ""),
            several=len(workspaces_of(request, OPERATOR)) > 1,
            max_bytes=MAX_BYTES,
            max_files=_FILES,
        )

    def progress_view(self, request: HttpRequest) -> HttpResponse:
        """Return the state of documents that were uploaded, as the lines of a table."""
        ids = uuids_of(request.GET.get("ids", "").split(",")[:_WATCHED])
        rows = self.get_queryset(request).filter(pk__in=ids).order_by("created_at", "pk")
        watched = list(rows.defer("text", "metadata"))
        over = all(row.status in {"ready", "failed"} for row in watched)
        return TemplateResponse(
            request,
            "loom/admin/upload_progress.html",
            {"documents": watched, "over": over, "ids": ",".join(str(row.pk) for row in watched)},
        )

    def _targets(self, request: HttpRequest) -> Any:
        rows = Collection.objects.filter(kind=Collection.Kind.DOCUMENTS)
        ids = reach_of(request).workspace_ids(OPERATOR)
        return rows if ids is None else rows.filter(workspace_id__in=ids)

    def _upload(self, request: HttpRequest) -> HttpResponse:
        collection = self.member_or_404(self._targets(request), request.POST.get("collection"))
        files = request.FILES.getlist("files")
        tags = [word.strip() for word in request.POST.get("tags", "").split(",") if word.strip()]
        taken = [self._take(request, collection, file, tags) for file in files[:_FILES]]
        taken += [
            Taken(name=file.name or "", error=f"At most {_FILES} files at once: send it again.")
            for file in files[_FILES:]
        ]
        if request.headers.get("Accept", "").startswith("application/json"):
            return JsonResponse(
                {"files": [{"name": t.name, "id": t.document_id, "error": t.error} for t in taken]}
            )
        return self._told(request, collection, taken)

    def _take(
        self, request: HttpRequest, collection: Collection, file: UploadedFile, tags: list[str]
    ) -> Taken:
        name = file.name or ""
        if (file.size or 0) > MAX_BYTES:
            return Taken(name=name, error=f"Too large: at most {MAX_BYTES // 2**20} MiB are read.")
        home = collection.workspace_id  # pyright: ignore[reportAttributeAccessIssue] -- Django's
        try:
            with transaction.atomic():
                document_id = wiring.document_submit(
                    workspace_id=home,
                    collection=collection.slug,
                    document=DocumentInput(
                        external_id=name,
                        content=file.read(),
                        file_name=name,
                        tags=tags,
                    ),
                )
                audit_write(
                    workspace_id=home,
                    actor=actor_of(request),
                    door=DOOR,
                    action="document.upload",
                    target=document_id,
                    detail={"collection": collection.slug, "name": name[:200]},
                )
        except REFUSALS as error:
            return Taken(name=name, error=str(error))
        return Taken(name=name, document_id=document_id)

    def _told(
        self, request: HttpRequest, collection: Collection, taken: Sequence[Taken]
    ) -> HttpResponse:
        if not taken:
            messages.error(request, "Choose at least one file.")
            return HttpResponseRedirect(
                f"{self.extra_url('upload')}?{urlencode({'collection': collection.pk})}"
            )
        for each in taken:
            if each.error:
                messages.error(request, f"{each.name[:200]}: {each.error}")
        count = sum(1 for each in taken if each.document_id)
        if count:
            plural = "" if count == 1 else "s"
            messages.success(request, f"{count} file{plural} taken in: a worker reads them.")
        listed = reverse("admin:knowledge_document_changelist")
        return HttpResponseRedirect(
            f"{listed}?{urlencode({'collection__id__exact': collection.pk})}"
        )
