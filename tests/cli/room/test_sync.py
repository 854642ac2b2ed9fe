"""``syncroom room sync``: documents that follow a schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cli.command import Command
from tests.document.schemas import TODO, item, todo

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.room.support import RoomCommand

CONTENT = todo(item(title="a"), name="List")


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    path = tmp_path / "todo.json"
    path.write_text(json.dumps(TODO))
    return path


def test_a_document_is_made_and_shown(command: RoomCommand, schema: Path) -> None:
    made = ("sync", "create", "a.todo", "--schema", str(schema), "--json", json.dumps(CONTENT))

    command.out(*made)

    assert json.loads(command.out("sync", "get", "a.todo")) == CONTENT
    assert len(command.out("sync", "get", "a.todo", "--compact").splitlines()) == 1
    assert json.loads(command.out("sync", "inspect", "a.todo")) == TODO
    assert "already" in command.fails(1, *made)


def test_the_schema_follows_from_the_name_and_the_content_from_a_file(
    command: RoomCommand, room: str, schema: Path, tmp_path: Path
) -> None:
    content = tmp_path / "content.json"
    content.write_text(json.dumps(CONTENT))
    place = ("import", room, ".schemas/todo.json", str(schema), "--format", "text")
    Command("doc", **command.where).out(*place)

    command.out("sync", "create", "b.todo", "--json-file", str(content))

    assert json.loads(command.out("sync", "get", "b.todo")) == CONTENT


def test_what_is_not_there_or_fits_no_schema_is_told(command: RoomCommand, schema: Path) -> None:
    create = ("sync", "create", "a.todo", "--schema", str(schema))

    assert "no document" in command.fails(3, "sync", "get", "a.todo")
    assert "no document" in command.fails(3, "sync", "inspect", "a.todo")
    assert "no schema" in command.fails(2, "sync", "create", "a.todo")
    assert "JSON object" in command.fails(2, *create, "--json", "[]")
    command.fails(2, *create, "--json", '{"other": {}}')
    assert "No such file" in command.fails(1, "sync", "create", "a.todo", "--schema", "none.json")
