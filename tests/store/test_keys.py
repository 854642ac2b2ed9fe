"""The secrets of a data folder: made once, kept to their owner, refused where they are spoilt."""

from __future__ import annotations

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from syncroom.auth.keys import SECRET_BYTES_MIN, encode_api_key
from syncroom.errors import Misconfigured
from syncroom.store.keys import KeyFile

if TYPE_CHECKING:
    from pathlib import Path


def put(path: Path, content: str | bytes, mode: int = 0o600) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_first_use_makes_a_folder_and_a_strong_secret_for_its_owner_only(folder: Path) -> None:
    secret = KeyFile(folder).keyring().secret_for(None)

    assert (folder / "secret").read_text() == secret + "\n"
    assert len(secret) >= SECRET_BYTES_MIN
    assert mode_of(folder / "secret") == 0o600
    assert mode_of(folder) == 0o700


def test_secret_stays_the_same(folder: Path) -> None:
    first = KeyFile(folder).secret()

    assert KeyFile(folder).secret() == first


def test_two_folders_have_two_secrets(tmp_path: Path) -> None:
    assert KeyFile(tmp_path / "a").secret() != KeyFile(tmp_path / "b").secret()


def test_all_who_ask_at_once_get_the_one_secret(folder: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(lambda _: KeyFile(folder).secret(), range(32)))

    assert secrets == {(folder / "secret").read_text().strip()}


def test_secret_that_is_given_wins_and_none_is_made(folder: Path) -> None:
    keyring = KeyFile(folder).keyring("given")

    assert keyring.secret_for(None) == "given"
    assert not folder.exists()


def test_secret_of_the_owners_own_is_used_without_the_line_break(folder: Path) -> None:
    put(folder / "secret", "my own secret\n")

    assert KeyFile(folder).secret() == "my own secret"


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [
        ("", 0o600, "must not be empty"),
        (" \n", 0o600, "must not be empty"),
        (b"\xff\xfe", 0o600, "not UTF-8"),
        ("hidden", 0o644, "may be used by others.*0644.*chmod 600"),
        ("hidden", 0o640, "may be used by others"),
        ("hidden", 0o602, "may be used by others"),
    ],
)
def test_spoilt_secret_is_refused_and_left_alone(
    folder: Path, content: str | bytes, mode: int, reason: str
) -> None:
    put(folder / "secret", content, mode)
    before = (folder / "secret").read_bytes()

    with pytest.raises(Misconfigured, match=reason) as caught:
        KeyFile(folder).keyring()

    assert str(folder / "secret") in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert (folder / "secret").read_bytes() == before


@pytest.mark.parametrize("secret", ["", "\t", "\udcff"])
def test_given_secret_that_cannot_sign_is_refused(folder: Path, secret: str) -> None:
    with pytest.raises(Misconfigured, match="secret that is configured"):
        KeyFile(folder).keyring(secret)


@pytest.mark.parametrize("name", ["secret", "keys.json"])
def test_folder_in_place_of_a_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).mkdir(parents=True)

    with pytest.raises(Misconfigured, match=f"{name} cannot be used: Is a directory"):
        KeyFile(folder).keyring()


def test_file_in_place_of_the_folder_is_refused(folder: Path) -> None:
    folder.write_text("")

    with pytest.raises(Misconfigured, match="Not a directory"):
        KeyFile(folder).keyring()


def test_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere" / "at" / "all")

    with pytest.raises(Misconfigured, match="cannot be used"):
        KeyFile(tmp_path / "link").secret()


def test_disk_that_takes_no_more_is_said_and_leaves_no_draft(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Misconfigured, match="No space left on device"):
        KeyFile(folder).secret()

    assert {path.name for path in folder.iterdir()} == {"keys.lock"}


def test_folder_without_keys_has_none(folder: Path) -> None:
    assert KeyFile(folder).keys() == {}


def test_added_key_is_kept_for_its_owner_only_and_is_in_the_keyring(folder: Path) -> None:
    key = KeyFile(folder).add("laptop")

    assert KeyFile(folder).keys() == {"laptop": key}
    assert KeyFile(folder).keyring().secret_for(key.id) == key.secret
    assert json.loads((folder / "keys.json").read_text()) == {"laptop": encode_api_key(key)}
    assert mode_of(folder / "keys.json") == 0o600


def test_keys_of_a_folder_belong_to_one_project(folder: Path) -> None:
    first, second = KeyFile(folder).add("one"), KeyFile(folder).add("two")

    assert first.project_id == second.project_id
    assert first.id != second.id
    assert first.secret != second.secret


def test_no_key_is_lost_when_several_are_added_at_once(folder: Path) -> None:
    names = {f"key {number}" for number in range(12)}

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(KeyFile(folder).add, names))

    assert set(KeyFile(folder).keys()) == names


@pytest.mark.parametrize(
    ("name", "reason"), [("one", "named 'one' already"), (" ", "needs a name")]
)
def test_key_needs_a_name_that_is_free(folder: Path, name: str, reason: str) -> None:
    key = KeyFile(folder).add("one")

    with pytest.raises(Misconfigured, match=reason):
        KeyFile(folder).add(name)

    assert KeyFile(folder).keys() == {"one": key}


KEY = "ma-.j.DnM2qR6WWEq4.mYmfuQ-_B55PLVWSWu_B4GCuETgWA-hidden"


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [
        ("", 0o600, "is not JSON of the form"),
        ("[]", 0o600, "is not JSON of the form"),
        ('{"one": 5}', 0o600, "is not JSON of the form"),
        (f'{{"one": "{KEY}"', 0o600, "is not JSON of the form"),
        (f'{{"one": "x{KEY}"}}', 0o600, "API key has the form"),
        (f'{{"one": "{KEY}", "two": "{KEY}"}}', 0o600, "two keys with one id"),
        (f'{{"one": "{KEY}"}}', 0o644, "may be used by others"),
        (b"\xff", 0o600, "not UTF-8"),
    ],
)
def test_spoilt_keys_are_refused_and_never_written_over(
    folder: Path, content: str | bytes, mode: int, reason: str
) -> None:
    put(folder / "keys.json", content, mode)
    before = (folder / "keys.json").read_bytes()

    with pytest.raises(Misconfigured, match=reason) as caught:
        KeyFile(folder).add("new")

    assert str(folder / "keys.json") in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert (folder / "keys.json").read_bytes() == before
