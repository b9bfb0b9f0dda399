"""Where each path of the site leads."""

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import include, path
from django.views import defaults
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from cluster.api import chat
from loomsite import health
from loomsite.access.rest import problems

_PROGRAM_PATHS = ("/api/", "/v1/", "/health/", "/metrics")


def page_search_view(request: HttpRequest) -> HttpResponse:
    """Answer the sidebar's search: there is one page of answers, and no other to be asked for."""
    if request.GET.get("page", "1") != "1":
        raise Http404
    return admin.site.search(request)  # pyright: ignore[reportAttributeAccessIssue] -- the theme's site


def elsewhere_view(request: HttpRequest, path: str) -> HttpResponse:  # noqa: ARG001 -- a view's signature
    """Answer for rows "on the site": none has a page there, and odd keys would be a crash."""
    raise Http404


urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/search/", admin.site.admin_view(page_search_view)),
    path("admin/r/<path:path>", elsewhere_view),
    path("admin/", admin.site.urls),
    path("api/schema", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("api/v1", RedirectView.as_view(pattern_name="docs")),
    path("api/v1/", include("loomsite.access.urls")),
    path("api/v1/", include("agents.urls")),
    path("api/v1/", include("cluster.urls")),
    path("api/v1/", include("knowledge.urls")),
    path("v1/chat/completions", chat.completions_view),
    path("v1/models", chat.model_list_view),
    path("v1/models/<str:model>", chat.model_view),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("metrics", health.metrics),
]


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that cannot be read: a wrong Host, too many fields."""
    if _is_for_programs(request):
        detail = "The request cannot be accepted; is its Host one of ALLOWED_HOSTS?"
        return problems.plain_response(400, code="bad_request", detail=detail)
    return defaults.bad_request(request, exception)


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer for a path that leads nowhere."""
    if request.path.startswith("/v1/"):
        detail = f"Nothing is at {request.path[:200]!r}."
        return chat.error_response({"status": 404, "detail": detail, "code": "not_found"}, {})
    if _is_for_programs(request):
        return problems.not_found(request)
    return defaults.page_not_found(request, exception)


def handler500(request: HttpRequest) -> HttpResponse:
    """Answer for a crash outside of any view of ours; Django has logged it."""
    if _is_for_programs(request):
        detail = "Something went wrong here. It has been logged."
        return problems.plain_response(500, code="internal", detail=detail)
    return defaults.server_error(request)


def _is_for_programs(request: HttpRequest) -> bool:
    return request.path.startswith(_PROGRAM_PATHS)
