"""The form of a key."""

import pytest

from loomsite.access.core import keys
from loomsite.access.core.keys import KeyParts


def test_read_takes_apart_what_write_put_together():
    key = keys.write(prefix=b"\x01" * keys.PREFIX_BYTES, secret=b"\xfe" * keys.SECRET_BYTES)

    parts = keys.read(key)

    assert parts == KeyParts(prefix="01" * 6, secret="fe" * 32)


@pytest.mark.parametrize(
    "raw",
    ["", "lk_", "lk_a_b", "sk_" + "0" * 12 + "_" + "0" * 64, "lk_" + "0" * 12 + "_" + "é" * 64,
     "lk_" + "0" * 12 + "_" + "0" * 64 + "\n", "x" * 100_000],
)  # fmt: skip
def test_read_of_something_else_is_none(raw):
    assert keys.read(raw) is None


def test_a_key_taken_apart_does_not_show_its_secret():
    assert "fe" not in repr(KeyParts(prefix="01" * 6, secret="fe" * 32))


def test_proves_is_true_for_the_secret_behind_the_digest_alone():
    stored = keys.digest("right")

    assert (keys.proves("right", stored), keys.proves("wrong", stored)) == (True, False)
