"""The folder that holds everything a machine keeps for Loom."""

import stat
from pathlib import Path

import pytest

from loomsite.embedded.errors import HomeUnusable
from loomsite.embedded.home import Home, default_root
from tests.requirements import requirement


def test_a_prepared_home_is_for_its_owner_alone(tmp_path: Path):
    home = Home(root=tmp_path / "a b" / ".loom")

    home.prepare()

    assert stat.S_IMODE(home.root.stat().st_mode) == 0o700


@requirement("environment.home")
def test_a_file_in_the_way_of_the_home_is_one_sentence(tmp_path: Path):
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")

    with pytest.raises(HomeUnusable) as caught:
        Home(root=in_the_way).prepare()

    assert str(caught.value) == (
        f"LOOM_HOME {str(in_the_way)!r} cannot be used (File exists): make it a folder that you may"
        " write and that has space, or point LOOM_HOME elsewhere."
    )


@requirement("environment.home")
def test_a_home_that_is_marked_read_only_is_refused_and_left_so(tmp_path: Path):
    home = Home(root=tmp_path / ".loom")
    home.root.mkdir(mode=0o500)

    with pytest.raises(HomeUnusable, match="Read-only file system"):
        home.prepare()

    assert stat.S_IMODE(home.root.stat().st_mode) == 0o500


def test_a_secret_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path):
    home = Home(root=tmp_path / ".loom")

    first = home.secret("word", lambda: "made first")
    second = home.secret("word", lambda: "made second")

    path = home.root / "secrets" / "word"
    assert (first, second) == ("made first", "made first")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_record_that_cannot_be_read_counts_as_none(tmp_path: Path):
    home = Home(root=tmp_path)
    (tmp_path / "half.json").write_text('{"pid": 1')
    (tmp_path / "list.json").write_text("[1]")

    read = [home.read_record(tmp_path / name) for name in ("half.json", "list.json", "none.json")]

    assert read == [{}, {}, {}]


def test_the_environment_names_the_home_else_it_lies_in_the_checkout(tmp_path: Path):
    checkout = Path(__file__).resolve().parents[3]

    roots = [default_root({"LOOM_HOME": str(tmp_path)}), default_root({"LOOM_HOME": " "})]

    assert roots == [tmp_path, checkout / ".loom"]
