"""Every operation of the schema, asked with bodies, queries and ids of all kinds: never a crash."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.factories.access import make_tenant
from tests.requirements import requirement

Json = dict[str, Any]
FORMATS = {
    "uuid": st.uuids().map(str),
    "date-time": st.datetimes().map(lambda at: at.isoformat() + "Z"),
    "decimal": st.decimals(allow_nan=False, allow_infinity=False).map(str),
}
SIMPLE = {
    "boolean": st.booleans(),
    "integer": st.integers(),
    "number": st.floats(allow_nan=False, allow_infinity=False),
    "string": st.text(max_size=30),
}


ANY = st.recursive(
    st.none() | st.one_of(*SIMPLE.values()),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What the schema says of a method of a path."""

    name: str
    method: str
    path: str
    parameters: list[Json]
    body: Json | None


@cache
def schema() -> Json:
    return SchemaGenerator().get_schema(request=None, public=True)


def operations() -> Iterator[Operation]:
    for path, methods in schema()["paths"].items():
        for method, said in methods.items():
            content = said.get("requestBody", {}).get("content", {})
            yield Operation(
                name=said["operationId"],
                method=method.upper(),
                path=path,
                parameters=said.get("parameters", []),
                body=content.get("application/json", {}).get("schema"),
            )


def fitting(said: Json) -> st.SearchStrategy[Any]:
    """Return values as a schema describes them, or nearly: any member may be anything at all."""
    if "$ref" in said:
        said = schema()["components"]["schemas"][said["$ref"].rpartition("/")[2]]
    if "allOf" in said:
        return fitting(said["allOf"][0])
    if "enum" in said:
        return st.sampled_from(said["enum"])
    if said.get("format") in FORMATS:
        return FORMATS[said["format"]]
    if said.get("type") == "array":
        return st.lists(fitting(said["items"]), max_size=3)
    if "properties" in said:
        members = {name: fitting(inner) | ANY for name, inner in said["properties"].items()}
        required = {name: members[name] for name in said.get("required", [])}
        return st.fixed_dictionaries(
            required, optional={name: members[name] for name in members if name not in required}
        )
    return SIMPLE.get(said.get("type", ""), ANY)


@requirement("bad_days.bad_input", "http.problems")
@pytest.mark.django_db
@pytest.mark.parametrize("operation", list(operations()), ids=lambda operation: operation.name)
@given(data=st.data())
@settings(
    max_examples=6,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_whatever_is_asked_the_answer_is_no_crash(
    operation: Operation, data: st.DataObject
) -> None:
    client = make_tenant().client()
    path, query = operation.path, {}
    for one in operation.parameters:
        value = str(data.draw(fitting(one["schema"]) | SIMPLE["string"], label=one["name"]))
        if one["in"] == "path":
            path = path.replace(f"{{{one['name']}}}", quote(value or "x", safe=""))
        elif one["in"] == "query":
            query[one["name"]] = value
    body = "" if operation.body is None else json.dumps(data.draw(fitting(operation.body) | ANY))

    answer = client.generic(
        operation.method, f"{path}?{urlencode(query)}", body, content_type="application/json"
    )

    assert answer.status_code < 500
    if answer.status_code >= 400:
        assert answer["Content-Type"] == "application/problem+json"
        assert set(answer.json()) - {"errors"} == {"type", "title", "status", "detail", "code"}
