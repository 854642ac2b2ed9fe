"""Files of a room, used by both SDKs and the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.meshagent.cli import CommandLine
from tests.meshagent.sdk import PAGE
from tests.support.driver import ClientError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.meshagent.conftest import Join
    from tests.meshagent.sdk import Sdk
    from tests.support.server import Server

DATA = bytes(range(256)) * 1024
PATH = "pictures/one.bin"


@pytest.mark.parametrize("data", [b"", b"small", DATA], ids=["empty", "small", "large"])
async def test_what_one_uploads_the_other_downloads(
    pair: tuple[Sdk, Sdk], join: Join, data: bytes
) -> None:
    one, other = pair
    ann, ben = await join(one, "ann"), await join(other, "ben")

    await ann.upload(PATH, data)

    assert await ben.download(PATH) == data
    assert await ben.file("exists", path=PATH)
    assert await ben.file("stat", path=PATH) == {"name": "one.bin", "size": len(data)}
    assert await ben.file("list", path="pictures") == ["one.bin"]


async def test_everybody_hears_of_changes(pair: tuple[Sdk, Sdk], join: Join) -> None:
    one, other = pair
    ann, ben = await join(one, "ann"), await join(other, "ben")

    await ann.upload(PATH, b"a")
    await ann.file("move", source_path=PATH, destination_path="two.bin")
    await ann.file("delete", path="two.bin")

    for each in (ann, ben):
        await each.event("file.updated", path={"value": PATH}, participant_id={"value": ann.id})
        await each.event(
            "file.moved", source_path={"value": PATH}, destination_path={"value": "two.bin"}
        )
        await each.event("file.deleted", path={"value": "two.bin"})
    assert not await ben.file("exists", path="two.bin")


async def test_a_file_that_is_there_is_not_written_over_unless_told(sdk: Sdk, join: Join) -> None:
    ann = await join(sdk, "ann")
    await ann.upload(PATH, b"first")

    with pytest.raises(ClientError) as existing:
        await ann.upload(PATH, b"second")
    assert await ann.download(PATH) == b"first"
    await ann.upload(PATH, b"third", overwrite=True)

    assert existing.value.code == 3005
    assert await ann.download(PATH) == b"third"


async def test_what_is_not_there_is_not_found(sdk: Sdk, join: Join) -> None:
    ann = await join(sdk, "ann")

    with pytest.raises(ClientError) as missing:
        await ann.download(PATH)

    assert missing.value.code == 3001
    assert await ann.file("stat", path=PATH) is None
    assert await ann.file("list", path="pictures") == []


async def test_what_is_not_granted_is_denied(sdk: Sdk, join: Join) -> None:
    ann = await join(sdk, "ann", scope={"storage": {"paths": [{"path": "mine"}]}})

    await ann.upload("mine/one.bin", b"a")
    with pytest.raises(ClientError) as denied:
        await ann.upload("theirs/one.bin", b"a")

    assert denied.value.code == 1001


async def test_a_url_of_a_file_needs_no_token(sdk: Sdk, join: Join) -> None:
    ann = await join(sdk, "ann")
    await ann.upload(PATH, DATA)

    url = await ann.file("download_url", path=PATH)

    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(url)).content == DATA


async def test_files_are_copied_on_the_command_line(
    python: Sdk, join: Join, shared_server: Server, room: str, tmp_path: Path
) -> None:
    rule = {
        "path": "",
        "recursive": True,
        "actions": ["list", "read", "write", "delete", "presign"],
    }
    scope = {"storage": {"files": {"paths": [rule]}}}
    token = shared_server.token(room=room, name="cli", scope=scope)
    environment = {"MESHAGENT_ROOM": room, "MESHAGENT_TOKEN": token}
    cli = CommandLine(shared_server, tmp_path, MESHAGENT_PROJECT_ID="default", **environment)
    ann = await join(python, "ann")
    local = tmp_path / "local.txt"
    local.write_text("Water the plants\n")

    storage, file = ("room", "storage"), "room://notes/todo.txt"

    await cli.run(*storage, "cp", str(local), file)
    printed = await cli.run(*storage, "get", file)
    await cli.run(*storage, "cp", "-r", "room://notes", "room://plans")
    await cli.run(*storage, "cp", "-r", "room://plans", str(tmp_path / "plans"))
    url = (await cli.json(*storage, "presign", file, "--expires-in", "600"))["url"]

    assert await ann.download("notes/todo.txt") == b"Water the plants\n"
    assert "Water the plants" in printed
    assert (tmp_path / "plans" / "todo.txt").read_text() == "Water the plants\n"
    assert await cli.run(*storage, "ls", "room://plans/*.txt") == "todo.txt\n"
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(url)).content == b"Water the plants\n"
    await cli.run(*storage, "rm", "-r", "room://notes")
    assert "does NOT exist" in await cli.run(*storage, "exists", file)


async def test_a_schema_among_the_files_is_that_of_documents_with_its_extension(
    sdk: Sdk, join: Join
) -> None:
    ann = await join(sdk, "ann")
    await ann.upload(".schemas/page.json", json.dumps(PAGE).encode())

    await ann.open("notes/plan.page")
    await ann.append("notes/plan.page", {"heading": {"title": "Plan"}})

    await ann.has_children("notes/plan.page", 1)
