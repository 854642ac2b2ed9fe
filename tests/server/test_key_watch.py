"""Keys that change beside a server: what ends, and what a file that is spoilt does not end."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from syncroom.auth.keys import encode_api_key, mint_api_key
from syncroom.server.key_watch import KeyWatch
from syncroom.store.keys import KeyFile
from tests.server.local import Local, dialled, joined, local
from tests.support import tokens, wire

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from syncroom.auth.keys import ApiKey


def _path(key: ApiKey) -> str:
    api = tokens.api_scope("user-default", None)
    token = tokens.mint(key.secret, room="demo", name="ann", role="user", api=api, kid=key.id)
    return f"/yjs/demo/notes?token={token}"


def _watch(server: Local, folder: Path) -> KeyWatch:
    watch = KeyWatch(KeyFile(folder), server.gate)
    watch.look()
    return watch


async def test_a_key_that_got_another_secret_ends_too(tmp_path: Path) -> None:
    files = KeyFile(tmp_path)
    key = files.add("one")
    async with local() as server:
        watch = _watch(server, tmp_path)
        async with joined(server, _path(key)) as raw:
            other = mint_api_key(bytes(64), key.project_id)
            text = encode_api_key(key).replace(key.secret, other.secret)
            (tmp_path / "keys.json").write_text(f'{{"one": "{text}"}}')
            watch.look()

            assert await raw.close_code() == 4401
        async with joined(server, _path(files.keys()["one"])) as raw:
            watch.look()
            await raw.say(wire.step1())
            await raw.messages("step2")


async def test_who_is_on_the_way_in_while_the_key_is_revoked_has_to_leave(tmp_path: Path) -> None:
    files = KeyFile(tmp_path)
    key = files.add("one")
    async with local() as server:
        watch = _watch(server, tmp_path)
        load = server.store.load

        async def revoke_meanwhile(room: str, path: str) -> None:
            files.revoke("one")
            watch.look()
            assert await load(room, path) is None

        server.store.load = revoke_meanwhile  # type: ignore[method-assign]
        async with joined(server, _path(key)) as raw:
            watch.look()

            assert await raw.close_code() == 4401


async def test_keys_stay_as_they_were_while_their_file_can_not_be_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = KeyFile(tmp_path)
    key = files.add("one")
    async with local() as server:
        watch = _watch(server, tmp_path)
        with caplog.at_level(logging.ERROR):
            (tmp_path / "keys.json").chmod(0o644)
            watch.look()
            watch.look()

        async with dialled(server, _path(key)) as raw:
            await raw.say(wire.step1())
            await raw.messages("step2")
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "API keys stay as they were"
    ]


async def test_a_file_that_is_gone_ends_its_keys(tmp_path: Path) -> None:
    key = KeyFile(tmp_path).add("one")
    async with local() as server:
        watch = _watch(server, tmp_path)
        async with joined(server, _path(key)) as raw:
            (tmp_path / "keys.json").unlink()
            watch.look()

            assert await raw.close_code() == 4401
