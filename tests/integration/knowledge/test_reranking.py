"""The reranker and the expansion behind their settings, through the search that doors call."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from knowledge import checks, wiring
from knowledge.core.types import DocumentInput
from tests.factories.access import make_tenant

pytestmark = pytest.mark.django_db


class Endpoint(BaseHTTPRequestHandler):
    """Likes what holds the word sail best; keeps what it was asked; fails when told to."""

    asked: list[dict] = []
    keys: list[str] = []
    status = 200

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append({"path": self.path, **body})
        self.keys.append(self.headers.get("Authorization", ""))
        results = [
            {"index": i, "relevance_score": float("sail" in text)}
            for i, text in enumerate(body["documents"])
        ]
        answer = json.dumps({"results": results}).encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def endpoint(settings):
    Endpoint.asked, Endpoint.keys, Endpoint.status = [], [], 200
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.LOOM_RERANK_URL = f"http://127.0.0.1:{server.server_port}/v1"
    settings.LOOM_RERANK_MODEL = "judge"
    settings.LOOM_RERANK_API_KEY = "k"
    yield Endpoint
    server.shutdown()
    server.server_close()


@pytest.fixture
def workspace():
    tenant = make_tenant()
    wiring.collection_ensure(workspace_id=tenant.workspace_id, slug="docs")
    texts = {"a": "A loom weaves cloth.", "b": "The loom made this sail.", "c": "A grey cat."}
    wiring.ingest(
        workspace_id=tenant.workspace_id,
        collection="docs",
        documents=[DocumentInput(external_id=n, text=t) for n, t in texts.items()],
    )
    return tenant


def found(tenant, **options):
    hits = wiring.search(
        workspace_id=tenant.workspace_id, query="loom weaving cloth", explain=True, **options
    )
    return [hit.external_id for hit in hits], hits[0].terms


def test_nobody_is_asked_while_no_reranker_is_set_up(workspace):
    ids, terms = found(workspace)
    response = workspace.client().post(
        "/api/v1/search", {"query": "loom", "rerank": True}, format="json"
    )

    assert ids[0] == "a"
    assert (terms.rerank, terms.expanded, terms.notes) == (None, (), ())
    assert response.status_code == 400
    assert "LOOM_RERANK_URL" in response.json()["detail"]


def test_the_reranker_of_the_settings_has_the_last_word_unless_a_search_goes_without(
    workspace, endpoint
):
    ids, terms = found(workspace)
    plain, _ = found(workspace, rerank=False)

    assert ids[0] == "b"
    assert plain[0] == "a"
    assert terms.rerank == 1.0
    (asked,) = endpoint.asked
    assert (asked["path"], asked["model"], asked["query"]) == (
        "/v1/rerank", "judge", "loom weaving cloth",
    )  # fmt: skip
    assert endpoint.keys == ["Bearer k"]


def test_a_reranker_that_is_down_degrades_to_the_order_without_it_and_explains(
    workspace, endpoint, settings
):
    endpoint.status = 503
    broken, terms = found(workspace)
    settings.LOOM_RERANK_URL = "http://127.0.0.1:9"
    gone, gone_terms = found(workspace)

    assert broken[0] == gone[0] == "a"
    assert terms.notes == ("not reranked: the reranker answered 503",)
    assert gone_terms.notes[0].startswith("not reranked: the reranker did not answer")


def test_expansion_is_off_until_it_is_asked_for(workspace, settings):
    _, plain = found(workspace)
    _, asked = found(workspace, expand=True)
    settings.LOOM_QUERY_EXPANSION = "feedback"
    _, by_setting = found(workspace)

    assert plain.expanded == ()
    assert asked.expanded == by_setting.expanded


def test_settings_that_cannot_work_are_said_at_start_up(settings):
    settings.LOOM_RERANK_URL = "judge.example"
    settings.LOOM_QUERY_EXPANSION = "rm3"

    assert [problem.id for problem in checks.search_options()] == [
        "knowledge.E002",
        "knowledge.E003",
    ]
