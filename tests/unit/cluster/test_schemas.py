"""Schemas: our replacements of the library's keywords mean the same as its own."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from cluster.core.schemas import canonical, schema_violations

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner),
    max_leaves=6,
)
SCHEMAS = (
    {"type": "string", "pattern": "^a+b?$"},
    {"patternProperties": {"^a": {"type": "integer"}}, "additionalProperties": False},
    {"properties": {"a": {}}, "additionalProperties": {"type": "string"}},
    {"uniqueItems": True},
    {"$defs": {"n": {"items": {"$ref": "#/$defs/n"}}}, "$ref": "#/$defs/n"},
)


@pytest.mark.parametrize("schema", SCHEMAS)
@given(value=JSON)
def test_a_value_is_valid_exactly_when_the_library_says_so(schema, value):
    expected = Draft202012Validator(schema).is_valid(value)

    assert (schema_violations(schema, value) == []) == expected


def test_at_most_five_violations_are_told_and_the_rest_counted():
    found = schema_violations({"items": {"type": "string"}}, [1, 2, 3, 4, 5, 6, 7])

    assert found[0] == "at /0: 1 is not of type 'string'"
    assert found[5:] == ["and 2 more"]


@given(JSON)
def test_equal_json_has_equal_text(value):
    assert canonical(json.loads(json.dumps(value))) == canonical(value)


def test_one_and_true_are_different_and_one_and_one_point_zero_are_not():
    assert canonical([1, {"a": 2.0}]) == canonical([1.0, {"a": 2}]) != canonical([True, {"a": 2}])
