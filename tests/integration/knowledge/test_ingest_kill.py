"""An ingest that is killed half way: started again it goes on, and nothing is there twice."""

import signal
import subprocess
import sys

import pytest
from django.db import connection

from knowledge.models import Chunk, CollectionStatistics, Document, Posting, StatisticsDelta
from knowledge.services.collections import collection_ensure
from tests.factories.access import make_tenant
from tests.processes import environment, poll

pytestmark = pytest.mark.django_db(transaction=True)
COUNT = 400


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "files"
    made.mkdir()
    for number in range(COUNT):
        body = " ".join(f"word{(number * 7 + i) % 5000}" for i in range(600))
        (made / f"f{number:03}.md").write_text(f"# Note {number}\n\n{body} only{number}\n")
    return made


@pytest.fixture
def variables(tmp_path, service_urls):
    """Return the environment of a command on this test's own database."""
    base, _, _ = service_urls.database_url.rpartition("/")
    url = f"{base}/{connection.settings_dict['NAME']}"
    return {
        **environment(tmp_path, url, service_urls.redis_url),
        "LOOM_EMBEDDING_MODEL": "none",
    }


def ready():
    return Document.objects.filter(status="ready").count()


def test_a_killed_ingest_goes_on_where_it_was_and_leaves_no_duplicates(folder, variables):
    tenant = make_tenant()
    collection_ensure(workspace_id=tenant.workspace_id, slug="docs")
    command = [
        sys.executable, "-m", "loomsite", "knowledge_ingest", "docs", str(folder),
        "--workspace", tenant.slug, "--json",
    ]  # fmt: skip
    with subprocess.Popen(
        command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as first:
        poll(lambda: ready() or first.poll() is not None, timeout_s=120)
        first.send_signal(signal.SIGKILL)
        first.wait(30)
    done = ready()

    again = subprocess.run(
        command, env=variables, capture_output=True, text=True, timeout=240, check=False
    )

    assert again.returncode == 0, again.stderr[-2000:]
    assert 0 < done < COUNT
    assert f'"documents": {COUNT}' in again.stdout
    assert '"failed": 0' in again.stdout
    assert ready() == COUNT
    chunks = Chunk.objects.count()
    stated = sum(Document.objects.values_list("chunk_count", flat=True))
    counted = sum(CollectionStatistics.objects.values_list("chunk_count", flat=True)) + sum(
        StatisticsDelta.objects.values_list("chunk_count", flat=True)
    )
    assert chunks == stated == counted
    own = set(Chunk.objects.values_list("pk", flat=True))
    assert set(Posting.objects.values_list("chunk_id", flat=True)) == own
