"""`memory_run`."""

import json

import pytest
from django.core.management import CommandError, call_command

from agents.models import MemoryEntry
from knowledge.models import CachedEmbedding, Collection, Document, StatisticsDelta
from tests.requirements import requirement

pytestmark = pytest.mark.django_db(transaction=True)

CORPUS = [
    {"_id": "a/1", "title": "8 May, 2023", "text": "Ann: I bought a loom."},
    {"_id": "a/2", "title": "8 May, 2023", "text": "Bo: What colour?"},
    {"_id": "a/3", "title": "8 May, 2023", "text": ""},
    {"_id": "b/1", "title": "9 May, 2023", "text": "Cy: I bought a loom too."},
]
QUERIES = [
    {"_id": "a/q1", "text": "Who bought a loom?"},
    {"_id": "b/q1", "text": "Who bought a loom?"},
    {"_id": "c/q1", "text": "Of no conversation."},
    {"_id": "a/q2", "text": "?!"},
]


def folder(tmp_path, corpus=CORPUS, queries=QUERIES):
    (tmp_path / "corpus.jsonl").write_text("\n".join(map(json.dumps, corpus)))
    (tmp_path / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    return tmp_path


@requirement("commands.memory_run")
def test_a_run_recalls_within_each_conversation_and_leaves_only_cached_embeddings(tmp_path, capsys):
    run = tmp_path / "out.trec"

    call_command("memory_run", "--data", str(folder(tmp_path)), "--run", str(run), "--json")

    summary = json.loads(capsys.readouterr().out)
    assert (summary["memories"], summary["conversations"], summary["queries"]) == (3, 2, 4)
    assert [item["external_id"] for item in summary["failed"]] == ["a/3"]
    lines = [line.split() for line in run.read_text().splitlines()]
    assert [line[:4] for line in lines if line[0].endswith("q1")] == [
        ["a/q1", "Q0", "a/1", "1"],
        ["a/q1", "Q0", "a/2", "2"],
        ["b/q1", "Q0", "b/1", "1"],
    ]
    scores = [float(line[4]) for line in lines if line[0] == "a/q1"]
    assert scores == sorted(set(scores), reverse=True)
    assert MemoryEntry.objects.count() == Document.objects.count() == 0
    assert Collection.objects.count() == StatisticsDelta.objects.count() == 0
    assert CachedEmbedding.objects.exists()


@pytest.mark.parametrize("options", [["--depth", "0"], ["--depth", "101"], ["--data", "/nowhere"]])
def test_wrong_options_are_usage_errors(tmp_path, options):
    given = ["--data", str(folder(tmp_path)), "--run", str(tmp_path / "out"), *options]

    with pytest.raises(CommandError) as caught:
        call_command("memory_run", *given)

    assert caught.value.returncode == 2


def test_odd_lines_are_named_and_the_run_of_the_others_is_valid(tmp_path, capsys):
    corpus = [
        {"_id": "a/1", "title": "On the ferry", "text": "Ann: Thanks!"},
        {"_id": "a/2", "title": "On the ferry", "text": "Bo: The loom is oak."},
        {"_id": "a/3", "title": "On the ferry", "text": "Ann: Thanks!"},
        {"_id": "a/2", "title": "Ashore", "text": "Bo: The loom is oak, I said."},
        {"_id": "a/5 6", "text": "Bo: The loom."},
        ["no", "object"],
        {"_id": "b/1", "text": "The loom is old. \ud800"},
        {"_id": "1", "text": "A loom of nobody."},
        {"_id": "2", "text": "A sail of nobody."},
    ]
    queries = [
        {"_id": "a/q1", "text": "Who said thanks about the loom?"},
        {"_id": "b/q1", "text": "\ud800 loom"},
        {"_id": "q1", "text": "loom"},
        {"_id": "a/long", "text": "loom " * 50_000},
    ]
    run = tmp_path / "out.trec"

    call_command(
        "memory_run", "--data", str(folder(tmp_path, corpus, queries)), "--run", str(run), "--json"
    )

    summary = json.loads(capsys.readouterr().out)
    assert [item["external_id"] for item in summary["failed"]] == [
        "corpus.jsonl, line 5",
        "corpus.jsonl, line 6",
        "a/long",
    ]
    found: dict[str, list[str]] = {}
    for line in run.read_text().splitlines():
        query, _, turn, *_ = line.split(" ")
        found.setdefault(query, []).append(turn)
    assert {query: sorted(turns) for query, turns in found.items()} == {
        "a/q1": ["a/1", "a/2", "a/3"],
        "b/q1": ["b/1"],
        "q1": ["1", "2"],
    }
    assert MemoryEntry.objects.count() == Document.objects.count() == 0
