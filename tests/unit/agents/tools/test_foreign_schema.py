"""JSON Schemas of strangers: what stays of them, and which cannot be used."""

import pytest

from agents.tools.foreign_schema import SchemaUnusable, tamed


def test_references_are_written_out_and_unknown_words_left_away():
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Arguments",
        "type": "object",
        "properties": {
            "who": {"$ref": "#/$defs/Person"},
            "pattern": {"type": "string", "pattern": "^(a+)+$"},
        },
        "required": ["who"],
        "additionalProperties": False,
        "$defs": {"Person": {"type": "object", "properties": {"name": {"type": "string"}}}},
    }

    assert tamed(schema) == {
        "type": "object",
        "properties": {
            "who": {"type": "object", "properties": {"name": {"type": "string"}}},
            "pattern": {"type": "string"},
        },
        "required": ["who"],
        "additionalProperties": False,
    }


def test_a_part_that_holds_itself_takes_anything():
    schema = {
        "properties": {"tree": {"$ref": "#/$defs/Node"}},
        "$defs": {"Node": {"properties": {"left": {"$ref": "#/$defs/Node"}}}},
    }

    assert tamed(schema) == {
        "type": "object",
        "properties": {"tree": {"properties": {"left": {}}}},
    }


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ("text", "no object"),
        ({"type": "array"}, "does not describe an object"),
        ({"properties": {"a": 7}}, "a part of its schema is 7"),
        ({"properties": {"a": {"type": "banana"}}}, "its schema is none"),
        ({"properties": {"a": {"$ref": "https://example.org"}}}, "refers to 'https://example.org'"),
        ({"properties": {"a": {"$ref": "#/$defs/a"}}}, "is not there"),
        ({"properties": {f"p{n}": {} for n in range(3_000)}}, "more than 2000 parts"),
        ({"description": "x" * 70_000}, "longer than"),
    ],
)
def test_a_schema_that_cannot_be_used_says_why(schema, why):
    with pytest.raises(SchemaUnusable, match=why):
        tamed(schema)
