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


def test_a_line_that_is_no_object_is_named_and_nothing_stays(tmp_path):
    data = folder(tmp_path, corpus=[*CORPUS, ["no", "object"]])

    with pytest.raises(CommandError, match=r"line 5"):
        call_command("memory_run", "--data", str(data), "--run", str(tmp_path / "out"))

    assert MemoryEntry.objects.count() == Document.objects.count() == 0
