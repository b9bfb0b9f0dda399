"""Request bodies: bounded, JSON, and nothing in them that could not be kept."""

from collections.abc import Mapping
from typing import IO, Any

from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.utils import json

from loomsite.access.core import untrusted
from loomsite.access.core.errors import BodyTooLarge, FieldError, InputInvalid

MAX_BODY_BYTES = 2_000_000


class JsonParser(BaseParser):
    """JSON up to the view's `max_body_bytes`, as a value that Postgres can keep."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,  # noqa: ARG002 -- DRF's signature
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 -- whatever JSON holds
        view = (parser_context or {}).get("view")
        limit: int = getattr(view, "max_body_bytes", MAX_BODY_BYTES)
        request = (parser_context or {}).get("request")
        announced = str(request.META.get("CONTENT_LENGTH") or "") if request is not None else ""
        if announced.isdecimal() and int(announced[:18]) > limit:
            raise BodyTooLarge(limit_bytes=limit)
        raw = stream.read(limit + 1)
        if len(raw) > limit:
            raise BodyTooLarge(limit_bytes=limit)
        try:
            value = json.loads(raw.decode(), parse_constant=json.strict_constant)
        except UnicodeDecodeError:
            raise ParseError("The body is not UTF-8 text: send JSON.") from None
        except RecursionError:
            raise ParseError("The body is nested too deeply.") from None
        except ValueError as error:
            raise ParseError(f"The body is not JSON: {error}.") from None
        found = untrusted.fault(value)
        if found:
            raise InputInvalid.of("body", found, detail=found)
        return value


def fields_of(data: object, serializer: type[serializers.Serializer]) -> dict[str, Any]:
    """Return a body as it came, for a service that checks values itself; only names are checked.

    Raises:
        InputInvalid: The body is no object, lacks a required field of `serializer`, or has one that
            it does not know.
    """
    if not isinstance(data, dict):
        raise InputInvalid("Send a JSON object.")
    fields = serializer().fields
    known = ", ".join(sorted(fields))
    surplus = sorted(str(name)[:80] for name in set(data) - set(fields))
    missing = sorted(name for name in set(fields) - set(data) if fields[name].required)
    errors = [FieldError(field=name, message=f"Unknown; there are: {known}.") for name in surplus]
    errors += [FieldError(field=name, message="This field is required.") for name in missing]
    if errors:
        raise InputInvalid(f"{errors[0].field}: {errors[0].message}", errors=tuple(errors))
    return dict(data)


class StrictSerializer(serializers.Serializer):
    """A serializer that refuses fields it does not know, so that a typo is no silent default."""

    def to_internal_value(self, data: Any) -> Any:  # noqa: ANN401 -- DRF's signature
        if isinstance(data, Mapping):
            surplus = sorted(set(data) - set(self.fields))
            if surplus:
                known = ", ".join(sorted(self.fields))
                raise serializers.ValidationError(
                    {name[:80]: [f"Unknown field; there are: {known}."] for name in surplus}
                )
        return super().to_internal_value(data)


class TextField(serializers.CharField):
    """Text that arrives as text: a number is a mistake and not its digits."""

    def to_internal_value(self, data: Any) -> str:  # noqa: ANN401 -- DRF's signature
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class JsonObjectField(serializers.JSONField):
    """A JSON object, kept as it came; in a form it is the text of one."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:  # noqa: ANN401 -- DRF's signature
        of_form = getattr(data, "is_json_string", False)
        try:
            value = json.loads(data, parse_constant=json.strict_constant) if of_form else data
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise serializers.ValidationError("Must be a JSON object.")
        found = untrusted.fault(value) if of_form else None
        if found:
            raise serializers.ValidationError(found)
        super().to_internal_value(value)
        return value
