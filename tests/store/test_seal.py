"""What is sealed is opened with its key, in its place, and unaltered, or not at all."""

from __future__ import annotations

import pytest

from syncroom.errors import Damaged
from syncroom.store.seal import Seal

KEY = "a secret that nobody can guess"


def test_what_was_sealed_can_be_opened_with_the_same_secret() -> None:
    sealed = Seal(KEY).close(b"plain", b"here")

    assert Seal(KEY).open(sealed, b"here") == b"plain"
    assert b"plain" not in sealed


def test_the_same_is_never_sealed_alike() -> None:
    seal = Seal(KEY)

    assert seal.close(b"plain", b"here") != seal.close(b"plain", b"here")


def test_it_opens_nowhere_else_with_no_other_key_and_not_altered() -> None:
    sealed = Seal(KEY).close(b"plain", b"here")
    altered = bytes([*sealed[:-1], sealed[-1] ^ 1])

    for seal, data, place in (
        (Seal(KEY), sealed, b"there"),
        (Seal("another"), sealed, b"here"),
        (Seal(KEY), altered, b"here"),
        (Seal(KEY), sealed[:20], b"here"),
        (Seal(KEY), b"", b"here"),
    ):
        with pytest.raises(Damaged, match="can't be opened"):
            seal.open(data, place)
