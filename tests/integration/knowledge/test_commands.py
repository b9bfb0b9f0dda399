"""`knowledge_ingest` and `retrieval_run`."""

import json
import os

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from knowledge import wiring
from knowledge.management.measuring import ranking
from knowledge.models import CachedEmbedding, Collection, Document
from loomsite.access.selectors import workspace_id_of
from tests.factories.access import make_tenant
from tests.requirements import requirement

pytestmark = pytest.mark.django_db


def ingest(capsys, *arguments):
    call_command("knowledge_ingest", *map(str, arguments), "--json")
    return json.loads(capsys.readouterr().out)


@requirement("commands.knowledge_ingest")
def test_a_folder_is_ingested_and_doing_it_again_changes_nothing(tmp_path, capsys):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.md").write_text("# Looms\n\nA loom weaves.")
    (tmp_path / "sub" / "b.txt").write_text("A sail.")
    (tmp_path / "empty.md").write_text("")
    (tmp_path / ".hidden.md").write_text("Hidden.")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")

    first = ingest(capsys, "notes", tmp_path)
    second = ingest(capsys, "notes", tmp_path)

    assert (first["documents"], first["ready"], first["failed"]) == (3, 2, 1)
    assert first["errors"][0]["external_id"] == "empty.md"
    assert (second["ready"], second["unchanged"]) == (0, 2)
    hits = wiring.search(workspace_id=workspace_id_of(slug="default"), query="weaving", limit=1)
    assert (hits[0].external_id, hits[0].title) == ("a.md", "Looms")


def test_files_of_one_name_do_not_replace_one_another(tmp_path, capsys):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "README.md").write_text(f"# Of {folder}")
        (tmp_path / folder / "Makefile").write_text(f"{folder}:\n")

    first = ingest(capsys, "notes", tmp_path / "one", tmp_path / "two", tmp_path / "two/README.md")
    second = ingest(capsys, "notes", tmp_path / "one", tmp_path / "two")

    assert (first["documents"], first["ready"]) == (4, 4)
    assert (second["ready"], second["unchanged"]) == (0, 4)


def test_a_path_that_cannot_be_read_is_an_error_of_its_own_and_the_others_go_on(tmp_path, capsys):
    pipe, note = tmp_path / "pipe.txt", tmp_path / "note.txt"
    os.mkfifo(pipe)
    note.write_text("A loom weaves.")

    call_command("knowledge_ingest", "docs", str(pipe), str(note), "--json")

    summary = json.loads(capsys.readouterr().out)
    assert (summary["ready"], summary["failed"]) == (1, 1)
    assert summary["errors"] == [
        {
            "external_id": "pipe.txt",
            "code": "knowledge.document_unreadable",
            "message": "It is no regular file.",
        }
    ]


def test_a_workspace_can_be_named_and_must_exist(tmp_path, capsys):
    (tmp_path / "a.md").write_text("A loom.")
    tenant = make_tenant()

    ingest(capsys, "notes", tmp_path, "--workspace", tenant.slug)

    assert str(Document.objects.get().workspace_id) == tenant.workspace_id
    with pytest.raises(CommandError, match="nowhere"):
        ingest(capsys, "notes", tmp_path, "--workspace", "nowhere")


def test_wrong_arguments_are_usage_errors_and_write_nothing(tmp_path, capsys):
    for arguments in (["notes", tmp_path / "none"], ["not a slug", tmp_path]):
        with pytest.raises(CommandError) as caught:
            ingest(capsys, *arguments)
        assert caught.value.returncode == 2
    assert Collection.objects.count() == 0


@requirement("commands.retrieval_run")
def test_a_run_of_a_beir_folder_is_a_trec_file_and_only_embeddings_stay(tmp_path, capsys):
    corpus = [
        {"_id": "d1", "title": "Looms", "text": "A loom weaves cloth."},
        {"_id": "d2", "title": "", "text": "A sail catches the wind."},
        {"_id": "d3", "title": "", "text": ""},
        {"_id": "d4", "title": "Anchors", "text": " "},
    ]
    queries = [
        {"_id": "q1", "text": "Who weaves cloth?"},
        {"_id": "q2", "text": "wind"},
        {"_id": "q3", "text": "anchors"},
    ]
    (tmp_path / "corpus.jsonl").write_text("\n".join(map(json.dumps, corpus)))
    (tmp_path / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    run = tmp_path / "out.trec"

    call_command("retrieval_run", "--data", str(tmp_path), "--run", str(run), "--json")

    summary = json.loads(capsys.readouterr().out)
    assert (summary["documents"], summary["queries"]) == (4, 3)
    assert [item["external_id"] for item in summary["failed"]] == ["d3"]
    lines = [line.split() for line in run.read_text().splitlines()]
    assert [line[:4] for line in lines if line[3] == "1"] == [
        ["q1", "Q0", "d1", "1"],
        ["q2", "Q0", "d2", "1"],
        ["q3", "Q0", "d4", "1"],
    ]
    scores = [float(line[4]) for line in lines if line[0] == "q1"]
    assert scores == sorted(set(scores), reverse=True)
    assert Collection.objects.count() == Document.objects.count() == 0
    assert CachedEmbedding.objects.count() == 3


def test_lines_that_cannot_be_used_are_named_and_the_run_of_the_others_is_valid(tmp_path, capsys):
    corpus = [
        {"_id": "d\u00e9j\u00e0/vu#1", "text": "A loom weaves cloth.", "metadata": {"year": 1801}},
        {"_id": 7, "title": None, "text": "A sail."},
        {"_id": "7", "title": "Sails", "text": "A sail catches wind."},
        {"_id": "two words", "text": "A loom."},
        {"_id": "half\ud800", "text": "A loom."},
        {"_id": "", "text": "A loom."},
        {"_id": None, "text": "A loom."},
        {"_id": "x" * 501, "text": "A loom."},
        {"_id": "listed", "text": ["A loom."]},
        {"_id": "odd", "text": "Half \ud800 a letter, \x00 nothing."},
        {"title": "No _id", "text": "A loom."},
    ]
    queries = [
        {"_id": "q1", "text": "Who weaves cloth?"},
        {"_id": "q 2", "text": "wind"},
        {"_id": 3, "text": "wind"},
        {"_id": "q1", "text": "wind"},
        {"_id": "empty", "text": ""},
        {"_id": "long", "text": "wind " * 50_000},
        {"_id": "stop", "text": "the of \ud800"},
    ]
    lines = [*map(json.dumps, corpus), "", '{"_id": "cut', "[" * 100_000]
    (tmp_path / "corpus.jsonl").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    (tmp_path / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    run = tmp_path / "out.trec"

    call_command("retrieval_run", "--data", str(tmp_path), "--run", str(run), "--json")

    out = capsys.readouterr()
    failed = [item["external_id"] for item in json.loads(out.out)["failed"]]
    of_corpus = [f"corpus.jsonl, line {number}" for number in (4, 5, 6, 7, 9, 11, 13, 14)]
    assert sorted(failed) == sorted([*of_corpus, "x" * 501, "queries.jsonl, line 2", "q1", "long"])
    assert "corpus.jsonl, line 4: The _id 'two words' cannot stand in a run" in out.err
    ranked = [line.split(" ") for line in run.read_text().splitlines()]
    assert {len(line) for line in ranked} == {6}
    assert [(line[0], line[2]) for line in ranked if line[3] == "1" and line[0] != "stop"] == [
        ("q1", "d\u00e9j\u00e0/vu#1"),
        ("3", "7"),
    ]
    assert sorted(line[2] for line in ranked if line[0] == "q1") == [
        "7",
        "d\u00e9j\u00e0/vu#1",
        "odd",
    ]


def test_scores_of_a_run_fall_strictly_as_written_and_name_no_document_twice():
    hits = [("a", 0.5), ("b", 0.5), ("a", 0.4), ("c", 0.4999995), ("d", 0.1)]

    lines = [line.split() for line in ranking("q", hits)]

    assert [(line[2], line[3], line[4]) for line in lines] == [
        ("a", "1", "0.500000"),
        ("b", "2", "0.499999"),
        ("c", "3", "0.499998"),
        ("d", "4", "0.100000"),
    ]


@pytest.mark.parametrize("depth", ["0", "201"])
def test_a_run_with_a_wrong_depth_or_without_data_is_a_usage_error(tmp_path, depth):
    for arguments in (["--depth", depth], []):
        with pytest.raises(CommandError) as caught:
            call_command(
                "retrieval_run", "--data", str(tmp_path), "--run", str(tmp_path / "r"), *arguments
            )
        assert caught.value.returncode == 2
