"""Declared checks: what each kind asks, and a sentence for every way to get one wrong."""

import time

import pytest

from cluster.core.checks import CheckResult, CitationFacts, check_run, check_validate
from tests.requirements import requirement

OBJECT = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("check", "answer", "score"),
    [
        ({"kind": "contains", "value": "ell"}, "hello", 1.0),
        ({"kind": "contains", "value": "ELL"}, "hello", 0.0),
        ({"kind": "contains", "value": "ELL", "case_sensitive": False}, "hello", 1.0),
        ({"kind": "contains", "value": ["he", "x"]}, "hello", 0.5),
        ({"kind": "contains", "text": "数据"}, "数据库", 1.0),
        ({"kind": "not_contains", "value": ["x", "y"]}, "hello", 1.0),
        ({"kind": "not_contains", "value": ["x", "he"]}, "hello", 0.0),
        ({"kind": "equals", "value": "42"}, " 42\n", 1.0),
        ({"kind": "equals", "value": {"a": 1}}, '{"a": 1.0}', 1.0),
        ({"kind": "equals", "value": 1}, "true", 0.0),
        ({"kind": "equals", "value": 1}, "one", 0.0),
        ({"kind": "regex", "pattern": r"^\d{4}$"}, "2026", 1.0),
        ({"kind": "regex", "pattern": r"^\d{4}$"}, "20266", 0.0),
        ({"kind": "is_json"}, '```json\n{"a": [1]}\n```', 1.0),
        ({"kind": "is_json"}, "{'a': 1}", 0.0),
        ({"kind": "is_json"}, "NaN", 0.0),
        ({"kind": "is_json"}, "[" * 100_000, 0.0),
        ({"kind": "json_schema", "schema": OBJECT}, '{"n": 1}', 1.0),
        ({"kind": "json_schema", "schema": OBJECT}, '{"n": "1"}', 0.0),
        ({"kind": "min_length", "value": 3}, " abc ", 1.0),
        ({"kind": "min_length", "value": 4}, " abc ", 0.0),
        ({"kind": "max_length", "value": 3}, " abc ", 1.0),
        ({"kind": "max_length", "value": 2}, " abc ", 0.0),
    ],
)
def test_a_check_scores_an_answer(check, answer, score):
    found = check_run(check, answer)

    assert (found.score, found.passed) == (score, score == 1.0)
    assert bool(found.detail) == (score < 1.0)


@pytest.mark.parametrize(
    ("check", "facts", "score"),
    [
        ({"kind": "cites_sources"}, CitationFacts(count=2), 1.0),
        ({"kind": "cites_sources"}, CitationFacts(), 0.0),
        ({"kind": "cites_sources", "min": 3}, CitationFacts(count=2), 0.0),
        ({"kind": "cites_sources"}, CitationFacts(count=4, problems=("no such chunk",)), 0.75),
        ({"kind": "min_citations", "value": 2}, CitationFacts(count=2), 1.0),
        ({"kind": "min_citations", "value": 2}, CitationFacts(count=1), 0.0),
    ],
)
def test_citations_count_when_they_hold(check, facts, score):
    found = check_run(check, "text", citations=facts)

    assert (found.score, found.passed) == (score, score == 1.0)


def test_a_result_says_everything_about_itself():
    found = check_run({"kind": "contains", "value": ["a", "b"], "required": True}, "a")

    assert found == CheckResult(
        kind="contains",
        required=True,
        passed=False,
        score=0.5,
        detail="not in the answer: 'b'",
    )


def test_a_violated_schema_says_where():
    found = check_run({"kind": "json_schema", "schema": OBJECT}, '{"n": "1"}')

    assert found.detail == "at /n: '1' is not of type 'integer'"


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ("contains", "a check is an object"),
        ({}, "unknown kind None: use one of"),
        ({"kind": "sounds_good"}, "unknown kind 'sounds_good': use one of cites_sources, contains"),
        ({"kind": ["contains"]}, "unknown kind ['contains']"),
        ({"kind": "contains"}, "contains: the field 'value' is missing"),
        ({"kind": "contains", "value": 5}, "contains: 'value' is a text, not 5"),
        ({"kind": "contains", "value": []}, "contains: 'value' has 0 texts"),
        ({"kind": "contains", "value": ["a", 1]}, "contains: 'value' is a text, not 1"),
        ({"kind": "contains", "value": "a" * 10_001}, "contains: 'value' has 10001 characters"),
        ({"kind": "contains", "value": "a", "requird": True}, "unknown field 'requird'"),
        ({"kind": "contains", "value": "a", "text": "b"}, "unknown field 'text'"),
        ({"kind": "contains", "value": "a", "required": "yes"}, "'required' is true or false"),
        ({"kind": "contains", "value": "a", "case_sensitive": 1}, "'case_sensitive' is true or"),
        ({"kind": "regex", "pattern": "("}, "regex: 'pattern' is no pattern: missing )"),
        ({"kind": "regex", "pattern": r"(a)\1"}, "regex: 'pattern' is no pattern: invalid escape"),
        ({"kind": "regex", "pattern": "a" * 1001}, "regex: 'pattern' is no pattern: 1001 char"),
        ({"kind": "regex", "pattern": "\ud800"}, "half of a surrogate pair"),
        ({"kind": "min_length", "value": -1}, "'value' is a whole number from 0, not -1"),
        ({"kind": "min_length", "value": True}, "'value' is a whole number from 0, not True"),
        ({"kind": "json_schema", "schema": "x"}, "no JSON Schema: a schema is an object"),
        ({"kind": "json_schema", "schema": {"type": "strin"}}, "no JSON Schema: at /type"),
        ({"kind": "json_schema", "schema": {"$schema": 5}}, "'$schema' is a text"),
        ({"kind": "json_schema", "schema": {"pattern": r"(a)\1"}}, "invalid escape sequence"),
        ({"kind": "json_schema", "schema": {"$ref": "#/$defs/q"}}, "is nowhere in the schema"),
        ({"kind": "json_schema", "schema": {"$ref": "http://a/b"}}, "nothing is fetched"),
        ({"kind": "json_schema", "schema": {"title": "a" * 100_001}}, "at most 100000"),
    ],
)
def test_a_check_that_cannot_be_run_says_what_to_change_and_fails(check, said):
    problem = check_validate(check)

    assert problem is not None
    assert said in problem
    if isinstance(check, dict):
        found = check_run(check, "a")
        assert (found.passed, found.score, found.detail) == (False, 0.0, problem)


def test_a_good_check_has_no_problem():
    assert check_validate({"kind": "json_schema", "schema": OBJECT, "required": True}) is None


def _doubling(levels: int) -> dict:
    defs = {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(levels)}
    return {"$defs": {**defs, f"d{levels}": {}}, "$ref": "#/$defs/d0"}


@pytest.mark.parametrize(
    ("check", "answer", "said"),
    [
        ({"kind": "regex", "pattern": "(a+)+$"}, "a" * 50_000 + "b", "nothing matches"),
        (
            {"kind": "json_schema", "schema": {"pattern": "^(a+)+$"}},
            f'"{"a" * 50_000}b"',
            "does not match",
        ),
        ({"kind": "json_schema", "schema": _doubling(40)}, "1", "more than 10000 references"),
        ({"kind": "json_schema", "schema": {"$ref": "#"}}, "1", "nested too deeply"),
        (
            {"kind": "json_schema", "schema": {"uniqueItems": True}},
            "[" + ",".join(f'{{"a":{i}}}' for i in range(20_000)) + ',{"a":1.0}]',
            "an item appears twice",
        ),
    ],
)
@requirement("reach.patterns")
def test_a_check_that_asks_for_much_work_is_cut_short(check, answer, said):
    started = time.process_time()

    found = check_run(check, answer)

    assert said in found.detail
    assert time.process_time() - started < 3
