"""Whether this process lives, and whether it can serve."""

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from loomsite.access.rest import problems


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


def _broker_state() -> str:
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
    try:
        client.ping()
    except redis.RedisError:
        return "unreachable"
    finally:
        client.close()
    return "ok"
