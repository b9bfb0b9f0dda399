"""Whether this process lives, whether it can serve, and how the cluster is."""

from ipaddress import ip_address

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from cluster.selectors import status
from loomsite.access.core.scopes import ADMIN
from loomsite.access.rest import problems
from loomsite.access.services import apikey_authenticate

_TEXT = "text/plain; version=0.0.4; charset=utf-8"


def live(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 -- Django's signature
    """Answer as long as the process does."""
    return JsonResponse({"status": "ok"})


def ready(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 -- Django's signature
    """Answer 200 when requests can be served; without Redis they can, later than usual."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        detail = "The database cannot be reached."
        return problems.plain_response(503, code="unavailable", detail=detail)
    broker = _broker_state()
    status = "ok" if broker == "ok" else "degraded"
    return JsonResponse({"status": status, "database": "ok", "redis": broker})


def metrics(request: HttpRequest) -> HttpResponse:
    """Answer with sums over all workspaces for Prometheus; no name of anybody's is among them.

    This machine is answered, and from elsewhere whoever holds a key with the scope `admin`.
    """
    try:
        if not _is_from_here(request) and not _is_admin(request):
            detail = "From another machine this needs a key with the scope admin."
            return problems.plain_response(401, code="access.not_authenticated", detail=detail)
        found = status.cluster_status()
    except DatabaseError:
        detail = "The database cannot be reached."
        return problems.plain_response(503, code="unavailable", detail=detail)
    lines = ["# HELP loom_tasks Tasks by status.", "# TYPE loom_tasks gauge"]
    lines += [f'loom_tasks{{status="{name}"}} {count}' for name, count in found["tasks"].items()]
    for name, said in (
        ("workers", "Workers that live."),
        ("slots", "Runs that they can carry at once."),
        ("running", "Runs that they carry now."),
    ):
        lines += [f"# HELP loom_{name} {said}", f"# TYPE loom_{name} gauge"]
        lines.append(f"loom_{name} {found[name]}")
    return HttpResponse("\n".join(lines) + "\n", content_type=_TEXT)


def _is_from_here(request: HttpRequest) -> bool:
    """Tell whether a request comes from this machine, and not from another through a proxy here."""
    if request.headers.get("X-Forwarded-For") or request.headers.get("Forwarded"):
        return False
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def _is_admin(request: HttpRequest) -> bool:
    kind, _, key = request.headers.get("Authorization", "").partition(" ")
    principal = apikey_authenticate(key.strip()) if kind.lower() == "bearer" else None
    return principal is not None and principal.allows(ADMIN)


def _broker_state() -> str:
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
    try:
        client.ping()
    except redis.RedisError:
        return "unreachable"
    finally:
        client.close()
    return "ok"
