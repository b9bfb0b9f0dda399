"""The search playground: what agents would find, and why it ranks where it does."""

import time
from collections.abc import Sequence
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe

from knowledge import wiring
from knowledge.admin.base import REFUSALS
from knowledge.core.types import Hit
from knowledge.models import Collection
from loomsite.access.admin.base import LoomAdmin
from loomsite.access.admin.extra import ExtraPage
from loomsite.access.admin.workspaces import chosen_workspace, workspaces_of

_COLLECTIONS = 200
_LIMITS = (5, 8, 20, 50)
_FUSIONS = ("convex", "rrf", "lexical", "dense")


class SearchPages(LoomAdmin):
    """The playground: what agents would find, and why it ranks where it does."""

    list_pages: ClassVar[Sequence[ExtraPage]] = (
        ExtraPage(name="search", label="Try a search", icon="manage_search", view="search_view"),
    )

    def search_view(self, request: HttpRequest) -> HttpResponse:
        """Search as agents do, and show each term of each score."""
        home = chosen_workspace(request)
        asked = _asked(request)
        found: dict[str, Any] = {"hits": None, "error": "", "took_ms": 0}
        if home is not None and asked["query"]:
            found = _found(str(home.pk), asked)
        rows = Collection.objects.filter(workspace=home, kind=Collection.Kind.DOCUMENTS)
        return self.page(
            request,
            "search",
            "Try a search",
            home=home,
            workspaces=workspaces_of(request),
            collections=list(rows.order_by("slug")[:_COLLECTIONS]),
            limits=_LIMITS,
            fusions=_FUSIONS,
            **asked,
            **found,
        )


def _asked(request: HttpRequest) -> dict[str, Any]:
    limit, fusion = request.GET.get("limit", ""), request.GET.get("fusion", "")
    return {
        "query": request.GET.get("q", "").replace("\x00", "").strip()[:2_000],
        "collection": request.GET.get("collection", "").replace("\x00", ""),
        "limit": int(limit) if limit in map(str, _LIMITS) else _LIMITS[1],
        "fusion": fusion if fusion in _FUSIONS else _FUSIONS[0],
        "grouped": request.GET.get("grouped") == "on",
    }


def _found(workspace_id: str, asked: dict[str, Any]) -> dict[str, Any]:
    began = time.perf_counter()
    try:
        hits = wiring.search(
            workspace_id=workspace_id,
            query=asked["query"],
            collections=[asked["collection"]] if asked["collection"] else None,
            limit=asked["limit"],
            group_by="document" if asked["grouped"] else None,
            explain=True,
            fusion=asked["fusion"],
        )
    except REFUSALS as error:
        return {"hits": [], "error": str(error), "took_ms": 0}
    took_ms = round((time.perf_counter() - began) * 1000)
    return {"hits": [_shown(hit) for hit in hits], "error": "", "took_ms": took_ms}


def _shown(hit: Hit) -> dict[str, Any]:
    terms = hit.terms
    words = dict(terms.words) if terms else {}
    return {
        "hit": hit,
        "marked": marked(hit.text, hit.highlights),
        "terms": terms,
        "words": sorted(words.items(), key=lambda each: (-each[1], each[0]))[:12],
        "url": reverse("admin:knowledge_document_change", args=[hit.document_id]),
    }


def marked(text: str, spans: Sequence[tuple[int, int]]) -> SafeString:
    """Return a text, escaped, with these spans marked; spans that overlap are joined."""
    parts: list[str] = []
    at = 0
    for start, end in sorted(spans):
        start, end = max(start, at), min(end, len(text))  # noqa: PLW2901 -- clipped to what is left
        if end <= start:
            continue
        parts += [
            conditional_escape(text[at:start]),
            format_html("<mark>{}</mark>", text[start:end]),
        ]
        at = end
    return mark_safe("".join([*parts, conditional_escape(text[at:])]))  # noqa: S308 -- each part is escaped
