"""Errors as RFC 9457 problems: the same shape for everything that goes wrong, never a traceback."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response

from loomsite.access.core.errors import FieldError, RateLimited, Stated

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
Problem = dict[str, Any]


def problem(status: int, *, code: str, detail: str, errors: Sequence[FieldError] = ()) -> Problem:
    """Return the body of a problem; `code` is what programs branch on, `detail` is for people."""
    body: Problem = {
        "type": f"urn:loom:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    if errors:
        body["errors"] = [{"field": error.field, "message": error.message} for error in errors]
    return body


def exception_response(error: Exception, context: Mapping[str, Any]) -> Response:
    """Return the problem for whatever a view raised; DRF's `EXCEPTION_HANDLER`."""
    body, headers = described(error, context.get("request"))
    return Response(body, status=body["status"], headers=headers, content_type=CONTENT_TYPE)


def described(error: Exception, request: object = None) -> tuple[Problem, dict[str, str]]:
    """Return the problem that an error is, and its headers; what is our own fault is logged."""
    body, headers = _described(error)
    if body["status"] >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error(
            "%s %s failed",
            getattr(request, "method", "?"),
            getattr(request, "path", "?"),
            exc_info=error,
        )
    return body, headers


def plain_response(status: int, *, code: str, detail: str) -> JsonResponse:
    """Return a problem where no view is in charge: unknown paths, refused hosts, crashes."""
    return JsonResponse(
        problem(status, code=code, detail=detail), status=status, content_type=CONTENT_TYPE
    )


def not_found(request: HttpRequest) -> JsonResponse:
    """Return the problem for a path that leads nowhere."""
    return plain_response(404, code="not_found", detail=f"Nothing is at {request.path[:200]!r}.")


def _described(error: Exception) -> tuple[Problem, dict[str, str]]:
    if isinstance(error, Stated) and isinstance(error.status, int):
        return _stated(error)
    if isinstance(error, exceptions.ValidationError):
        errors = tuple(_field_errors(error.detail))
        detail = " ".join(f"{item.field}: {item.message}" for item in errors)
        return problem(400, code="invalid", detail=detail, errors=errors), {}
    if isinstance(error, exceptions.APIException):
        return _framework(error)
    if isinstance(error, Http404 | PermissionDenied):
        kind = exceptions.NotFound if isinstance(error, Http404) else exceptions.PermissionDenied
        return _framework(kind())
    if isinstance(error, OperationalError | InterfaceError):
        detail = "The database cannot be reached. Nothing was written; try again shortly."
        return problem(503, code="unavailable", detail=detail), {"Retry-After": "2"}
    detail = "Something went wrong here. It has been logged."
    return problem(500, code="internal", detail=detail), {}


def _stated(error: Stated) -> tuple[Problem, dict[str, str]]:
    headers: dict[str, str] = {}
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="loom"'
    if isinstance(error, RateLimited):
        headers["Retry-After"] = str(error.retry_after_s)
    errors: Sequence[FieldError] = getattr(error, "errors", ())
    culprit: str = getattr(error, "field", "")
    if culprit and not errors:
        errors = (FieldError(field=culprit, message=str(error)),)
    return problem(error.status, code=error.code, detail=str(error), errors=errors), headers


def _framework(error: exceptions.APIException) -> tuple[Problem, dict[str, str]]:
    headers: dict[str, str] = {}
    if error.status_code == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="loom"'
    code = str(getattr(error.detail, "code", error.default_code))
    return problem(error.status_code, code=code, detail=str(error.detail)), headers


def _field_errors(detail: object, path: str = "") -> Iterator[FieldError]:
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            step = "" if name == "non_field_errors" else str(name)
            yield from _field_errors(inner, ".".join(part for part in (path, step) if part))
    elif isinstance(detail, Sequence) and not isinstance(detail, str):
        nested = any(isinstance(inner, Mapping) for inner in detail)
        for index, inner in enumerate(detail):
            if inner:
                yield from _field_errors(inner, f"{path}.{index}" if nested else path)
    else:
        yield FieldError(field=path or "body", message=str(detail))
