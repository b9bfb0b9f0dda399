"""`knowledge_ingest` and `retrieval_run`."""

import json
import os

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from knowledge import wiring
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


@pytest.mark.parametrize("depth", ["0", "201"])
def test_a_run_with_a_wrong_depth_or_without_data_is_a_usage_error(tmp_path, depth):
    for arguments in (["--depth", depth], []):
        with pytest.raises(CommandError) as caught:
            call_command(
                "retrieval_run", "--data", str(tmp_path), "--run", str(tmp_path / "r"), *arguments
            )
        assert caught.value.returncode == 2
