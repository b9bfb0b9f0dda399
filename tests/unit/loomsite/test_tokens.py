"""Token tables on disk."""

from pathlib import Path

import tiktoken.load

from loomsite.embedded import tokens
from loomsite.embedded.home import Home

_CL100K = "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken"
_CL100K_SHA256 = "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"


def test_the_tables_are_where_tiktoken_looks_and_have_the_hash_it_pins(tmp_path: Path, monkeypatch):
    environment: dict[str, str] = {}

    folder = tokens.provide(Home(root=tmp_path), environment)

    assert environment == {"TIKTOKEN_CACHE_DIR": str(tmp_path / "cache" / "tiktoken")}
    assert folder is not None
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(folder))
    assert len(tiktoken.load.load_tiktoken_bpe(_CL100K, _CL100K_SHA256)) == 100_256


def test_a_folder_that_the_environment_names_is_left_as_it_is(tmp_path: Path):
    environment = {"TIKTOKEN_CACHE_DIR": str(tmp_path / "mine")}

    tokens.provide(Home(root=tmp_path), environment)

    assert not (tmp_path / "mine").exists()
