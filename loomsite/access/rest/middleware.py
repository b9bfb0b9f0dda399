"""Paths of programs work with and without a trailing slash."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

_PROGRAM_PATHS = ("/api/", "/v1/", "/health/", "/metrics/")


class OptionalSlash:
    """Drop the trailing slash of a program's path before the routes are asked.

    A redirect would lose the body of a POST, and two routes for each view would double the schema.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.endswith("/") and request.path_info.startswith(_PROGRAM_PATHS):
            request.path_info = request.path_info.rstrip("/")
        return self.get_response(request)
