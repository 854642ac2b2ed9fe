"""``syncroom room sync``: documents that follow a schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cli.command import Command
from tests.document.schemas import STRING, TODO, children, element, item, schema, text, todo

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.room.support import RoomCommand

THREAD = schema(
    "thread",
    element("thread", name=STRING, properties=children("members", "messages")),
    element("members", items=children("member")),
    element("member", name=STRING),
    element("messages", external_thread_id=STRING, items=children("message")),
    element("message", id=STRING, text=STRING, created_at=STRING, author_name=STRING),
)
THREADS = schema(
    "thread_list",
    element("thread_list", threads=children("thread")),
    element("thread", name=STRING, path=STRING, created_at=STRING, modified_at=STRING),
)
CONTENT = todo(item(title="a"), name="List")


@pytest.fixture(name="schema")
def todo_schema(tmp_path: Path) -> Path:
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


def test_elements_are_found_by_what_they_and_their_texts_say(
    command: RoomCommand, schema: Path
) -> None:
    second = item(text(("so", {}), ("on", {"bold": True})), title="b", count=42)
    content = json.dumps(todo(item(title="Water"), second, item(title="c")))
    command.out("sync", "create", "a.todo", "--schema", str(schema), "--json", content)
    stored = json.loads(command.out("sync", "get", "a.todo"))["todo"]["items"]

    def found(*arguments: str) -> list[object]:
        values: list[object] = json.loads(command.out("sync", "grep", "a.todo", *arguments))
        return values

    assert found("wat|rain", "--ignore-case") == [stored[0]]
    assert found("^42$", "--before", "1", "--after", "1", "--compact") == stored
    assert found("soon") == stored[1]["item"]["notes"]
    assert found("count") == [stored[1]]
    (with_id,) = found("Water", "--include-ids")
    assert isinstance(with_id, dict) and with_id["item"].pop("$id")
    assert with_id == stored[0]
    assert command.out("sync", "grep", "a.todo", "nothing", code=3) == "[]\n"
    assert "no regular expression" in command.fails(2, "sync", "grep", "a.todo", "(")
    assert "no document" in command.fails(3, "sync", "grep", "b.todo", "x")


def test_a_document_is_changed_by_a_patch_and_keeps_what_it_does_not_change(
    command: RoomCommand, schema: Path, tmp_path: Path
) -> None:
    made = ("sync", "create", "a.todo", "--schema", str(schema), "--json", json.dumps(CONTENT))
    command.out(*made)
    before = json.loads(command.out("sync", "get", "a.todo", "--include-ids"))
    change = {"op": "replace", "path": "/todo/items/0/item/title", "value": "b"}
    (tmp_path / "patch.json").write_text(json.dumps([{"op": "remove", "path": "/todo/name"}]))

    command.out("sync", "update", "a.todo", "--patch", json.dumps([change]))
    command.out("sync", "update", "a.todo", "--patch-file", str(tmp_path / "patch.json"))

    after = json.loads(command.out("sync", "get", "a.todo", "--include-ids"))
    before["todo"]["items"][0]["item"]["title"] = "b"
    del before["todo"]["name"]
    assert after == before


def test_what_is_no_patch_or_does_not_fit_changes_nothing(
    command: RoomCommand, schema: Path
) -> None:
    made = ("sync", "create", "a.todo", "--schema", str(schema), "--json", json.dumps(CONTENT))
    command.out(*made)
    update = ("sync", "update", "a.todo", "--patch")
    unknown = [{"op": "add", "path": "/todo/items/0/item/colour", "value": "red"}]

    assert "either" in command.fails(2, "sync", "update", "a.todo")
    assert "array" in command.fails(2, *update, "{}")
    assert "JSON" in command.fails(2, *update, "[")
    assert "'colour'" in command.fails(2, *update, json.dumps(unknown))
    assert "no document" in command.fails(3, "sync", "update", "b.todo", "--patch", "[]")
    assert json.loads(command.out("sync", "get", "a.todo")) == CONTENT


def test_conversations_become_threads(command: RoomCommand, tmp_path: Path) -> None:
    id, day, later = "6f1f0a52-6a0c-4a5e-9b5e-0d2c3f1b2a11", "2026-01-01", "2026-01-02"
    said = [
        {"uuid": "1", "sender": "human", "text": "Water?", "created_at": day},
        {"uuid": "2", "sender": "assistant", "content": [{"type": "text", "text": "Yes."}]},
        {"uuid": "3", "sender": "human", "text": "", "files": [{"file_name": "a.pdf"}]},
        {"uuid": "4", "sender": "human", "text": ""},
    ]
    plants = {"uuid": id, "name": "Plants", "created_at": day, "updated_at": later}
    nameless = {"uuid": "x", "chat_messages": []}
    exported = [plants | {"chat_messages": said}, nameless, nameless, {"uuid": "y"}, 1]
    (tmp_path / "export.json").write_text(json.dumps(exported))
    for name, each in (("thread", THREAD), ("threadl", THREADS)):
        (tmp_path / name).write_text(json.dumps(each))
        command.out("storage", "put", str(tmp_path / name), f".schemas/{name}.json")
    take = ("sync", "import", "--file", str(tmp_path / "export.json"), "--human-name", "ann")

    done = command.run(*take)
    again = command.json(*take, "--limit", "1")
    command.out(*take, "--limit", "1", "--overwrite", "--include-empty-messages")

    assert done.returncode == 0
    assert done.stdout == "imported: 3\nskipped_existing: 0\nskipped_invalid: 2\n"
    assert "conversation 3: chat_messages: Field required" in done.stderr
    assert again == {"imported": 0, "skipped_existing": 1, "skipped_invalid": 0}
    thread = json.loads(command.out("sync", "get", f".threads/anthropic/{id}.thread"))
    members, messages = thread["thread"]["properties"]
    assert [each["member"]["name"] for each in members["members"]["items"]] == ["ann", "assistant"]
    told = [each["message"] for each in messages["messages"]["items"]]
    assert [it["text"] for it in told] == ["Water?", "Yes.", "attached file a.pdf", ""]
    assert [it["created_at"] for it in told] == [day, later, later, later]
    listed = json.loads(command.out("sync", "get", ".threads/anthropic/index.threadl"))
    first, second, third = (each["thread"] for each in listed["thread_list"]["threads"])
    path = f".threads/anthropic/{id}.thread"
    assert first == {"name": "Plants", "path": path, "created_at": day, "modified_at": later}
    assert third["path"] == f"{second['path'].removesuffix('.thread')} 2.thread"


def test_what_is_no_export_or_can_not_be_written_is_told(
    command: RoomCommand, schema: Path, tmp_path: Path
) -> None:
    (tmp_path / "none.json").write_text("{}")
    (tmp_path / "empty.json").write_text("[]")
    take = ("sync", "import", "--thread-dir", "t", "--file")

    assert "JSON array" in command.fails(2, *take, str(tmp_path / "none.json"))
    assert "no schema" in command.fails(2, *take, str(tmp_path / "empty.json"))
    command.out("sync", "create", "t/index.threadl", "--schema", str(schema))
    assert "something else" in command.fails(2, *take, str(tmp_path / "empty.json"))
