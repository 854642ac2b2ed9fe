"""``syncroom doc``, as people and scripts call it: on a folder at rest, and through a server."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from tests.cli.command import Command
from tests.document.schemas import TODO, element, item, todo
from tests.document.schemas import schema as schema_of
from tests.store.files import tool
from tests.support.editor import Editor
from tests.support.raw import joined

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.server import Server


class Doc(Command):
    """``syncroom doc`` with the options that name where the documents are."""

    def __init__(self, *where: str, **environment: str) -> None:
        super().__init__("doc", *where, **environment)


@pytest.fixture
def rest(tmp_path: Path, server: Server) -> Doc:
    """The folder of a server that was stopped."""
    server.terminate()
    return Doc("--data-dir", str(server.data_dir))


@pytest.fixture
def remote(server: Server) -> Doc:
    return Doc(SYNCROOM_URL=server.url, SYNCROOM_TOKEN=server.token())


def exercise(doc: Doc, folder: Path) -> None:
    """All that works in both ways."""
    file = folder / "a.json"
    file.write_text('{"content": "x", "tasks": [{"t": 1}]}')

    assert doc.out("import", "demo", "notes.md", "--format", "markdown", stdin=b"# Hi\n") == (
        "changed\n"
    )
    assert doc.out("import", "demo", "b ü", str(file)) == "changed\n"
    assert doc.out("import", "demo", "b ü", str(file)) == "nothing to change\n"
    assert json.loads(doc.out("export", "demo", "b ü")) == json.loads(file.read_text())
    patch = b'[{"op": "replace", "path": "/content", "value": "y"}]'
    assert doc.out("import", "demo", "b ü", "--format", "patch", stdin=patch) == "changed\n"
    assert doc.out("export", "demo", "b ü", "--format", "text") == "y"
    listed = json.loads(doc.out("list", "demo", "--output", "json"))
    assert [(each["room"], each["path"]) for each in listed] == [
        ("demo", "b ü"),
        ("demo", "notes.md"),
    ]
    assert "notes.md" in doc.out("list", "demo")
    shown = json.loads(doc.out("show", "demo", "b ü", "--output", "json"))
    assert shown["types"] == {"content": "text", "tasks": "array"}
    assert 'content (text): "# Hi\\n"' in doc.out("show", "demo", "notes.md")
    update = folder / "copy.yjs"
    doc.out("export", "demo", "notes.md", "--format", "update", "--to", str(update))
    assert doc.out("import", "demo", "copy", str(update)) == "changed\n"
    assert doc.out("export", "demo", "copy", "--format", "markdown") == "# Hi\n"
    assert doc.out("grep", "demo", "H.", "--regex").count("# Hi") == 2
    assert "hits" in json.loads(doc.out("grep", "demo", "Hi", "--output", "json"))["copy"]
    assert doc.out("grep", "demo", "nowhere", code=1) == ""
    assert doc.out("delete", "demo", "copy", "--yes") == "deleted\n"
    assert "no document 'copy'" in doc.run("export", "demo", "copy").stderr
    assert doc.run("export", "demo", "copy").returncode == 2


def follow_a_schema(doc: Doc) -> None:
    """A document that follows a schema, from the one of its extension to its content."""
    given, content = json.dumps(TODO), todo(item(title="a"), name="List")

    assert doc.run("import", "demo", "a.todo", "--format", "schema", stdin=b"{}").returncode == 2
    schema = (".schemas/todo.json", "--format", "text")
    assert doc.out("import", "demo", *schema, stdin=given.encode()) == "changed\n"
    for path in ("a.todo", "b.todo"):
        form = ("--format", "json")
        assert doc.out("import", "demo", path, *form, stdin=json.dumps(content).encode()) == (
            "changed\n"
        )
    assert json.loads(doc.out("export", "demo", "a.todo", "--format", "schema")) == TODO
    assert json.loads(doc.out("export", "demo", "a.todo")) == content
    shown = doc.out("show", "demo", "a.todo")
    assert "schema: todo\n" in shown
    assert json.loads(shown[shown.index("{") :]) == content
    shown = json.loads(doc.out("show", "demo", "a.todo", "--output", "json"))
    assert (shown["schema"], shown["left_out"], shown["content"]) == ("todo", 0, content)
    assert "a.todo/todo/items/0/item/title:1: a" in doc.out("grep", "demo", "^a$", "--regex")
    form = ("--format", "schema")
    assert doc.out("import", "demo", "b.todo", *form, stdin=given.encode()) == "nothing to change\n"
    page = json.dumps(schema_of("page", element("page"))).encode()
    assert "another schema" in doc.run("import", "demo", "b.todo", *form, stdin=page).stderr
    assert doc.out("import", "demo", "a.page", *form, stdin=page) == "changed\n"
    assert json.loads(doc.out("export", "demo", "a.page")) == {"page": {}}


def test_documents_of_a_folder_at_rest_follow_schemas(rest: Doc) -> None:
    follow_a_schema(rest)

    assert rest.out("fsck") == "4 documents, 0 findings\n"
    rest.out("compact")
    assert "schema: todo\n" in rest.out("show", "demo", "a.todo")


def test_documents_of_a_running_server_follow_schemas(remote: Doc) -> None:
    follow_a_schema(remote)


def test_documents_of_a_folder_at_rest(rest: Doc, tmp_path: Path) -> None:
    exercise(rest, tmp_path)

    assert rest.out("fsck") == "2 documents, 0 findings\n"
    compacted = json.loads(rest.out("compact", "--output", "json"))
    assert [each["refusal"] for each in compacted] == [None, None]
    assert json.loads(rest.out("fsck", "--output", "json")) == {"documents": 2, "findings": []}
    assert rest.out("export", "demo", "notes.md", "--format", "text") == "# Hi\n"


def test_documents_of_a_running_server(remote: Doc, tmp_path: Path) -> None:
    exercise(remote, tmp_path)


def test_a_folder_that_a_server_holds_is_refused(server: Server) -> None:
    done = Doc("--data-dir", str(server.data_dir)).run("list")

    assert done.returncode == 2
    assert "in use by another syncroom server" in done.stderr
    assert "--url" in done.stderr


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    done = Doc("--data-dir", str(tmp_path / "none")).run("fsck")

    assert done.returncode == 2
    assert not (tmp_path / "none").exists()


def test_a_server_that_is_not_there_is_said(server: Server) -> None:
    server.terminate()

    done = Doc(SYNCROOM_URL=server.url, SYNCROOM_TOKEN="x").run("list", "demo")

    assert done.returncode == 2
    assert "can't be reached" in done.stderr


def test_what_a_token_does_not_grant_is_refused(server: Server) -> None:
    token = server.token(sync=["notes:ro"])

    done = Doc(SYNCROOM_URL=server.url, SYNCROOM_TOKEN=token).run(
        "import", "demo", "notes", "--format", "text", stdin=b"x"
    )

    assert done.returncode == 2
    assert "does not permit to write" in done.stderr


def test_deleting_asks_first(rest: Doc) -> None:
    rest.out("import", "demo", "notes.md", "--format", "text", stdin=b"x")

    assert rest.run("delete", "demo", "notes.md", stdin=b"n\n").returncode == 1
    assert rest.out("export", "demo", "notes.md", "--format", "text") == "x"


def test_a_file_whose_format_nobody_can_tell_is_refused(rest: Doc) -> None:
    assert "--format" in rest.run("import", "demo", "notes.md", "some.file").stderr


def test_findings_are_told_and_end_with_1(rest: Doc, server: Server) -> None:
    rest.out("import", "demo", "notes.md", "--format", "text", stdin=b"x")
    with tool(server.data_dir / "syncroom.db") as connection:
        connection.execute("UPDATE log SET time_ms = 7")

    assert "checksum: demo notes.md record 1" in rest.out("fsck", code=1)


async def test_a_running_server_checks_and_compacts_while_somebody_types(server: Server) -> None:
    token = server.token(scope="full")
    doc = Doc(SYNCROOM_URL=server.url, SYNCROOM_TOKEN=token)
    url = server.document_url("notes", token)
    ann, is_done = Editor(), asyncio.Event()
    await ann.connect(url)

    async def type_on() -> None:
        while not is_done.is_set():
            ann.insert(len(ann.text()), "a")
            await ann.flush()
            await ann.until_acknowledged()

    typing = asyncio.create_task(type_on())
    await ann.socket.first("update")
    checked = await asyncio.to_thread(doc.out, "fsck", "demo")
    (compacted,) = json.loads(
        await asyncio.to_thread(doc.out, "compact", "demo", "--output", "json")
    )
    again = await asyncio.to_thread(doc.out, "fsck", "demo")
    is_done.set()
    await typing
    await ann.disconnect()

    assert checked == again == "1 documents, 0 findings\n"
    assert (compacted["room"], compacted["path"]) == ("demo", "notes")
    assert compacted["refusal"] is None
    assert compacted["bytes"] < compacted["bytes_before"]
    async with joined(url) as newcomer:
        assert newcomer.text() == ann.text()


def test_what_a_running_server_finds_is_told_and_ends_with_1(server: Server) -> None:
    doc = Doc(SYNCROOM_URL=server.url, SYNCROOM_TOKEN=server.token(scope="full"))
    doc.out("import", "demo", "notes.md", "--format", "text", stdin=b"x")
    doc.out("import", "demo", "other.md", "--format", "text", stdin=b"x")
    with tool(server.data_dir / "syncroom.db") as connection:
        connection.execute("UPDATE log SET time_ms = 7 WHERE document = 1")

    assert "checksum: demo notes.md record 1" in doc.out("fsck", "demo", code=1)
    assert "left as it is: record 1" in doc.out("compact", "demo", "notes.md", code=1)
    assert "left as it is" not in doc.out("compact", "demo", "other.md")


@pytest.mark.parametrize("command", ["fsck", "compact"])
def test_looking_after_a_room_takes_the_admin_grant(remote: Doc, command: str) -> None:
    done = remote.run(command, "demo")

    assert done.returncode == 2
    assert "no admin grant" in done.stderr


def test_compacting_what_is_not_there_is_an_error(server: Server, tmp_path: Path) -> None:
    doc = Doc(SYNCROOM_URL=server.url, SYNCROOM_TOKEN=server.token(scope="full"))
    done = [doc.run("compact", "demo", "no such")]
    server.terminate()
    done.append(Doc("--data-dir", str(server.data_dir)).run("compact", "demo", "no such"))

    for each in done:
        assert (each.returncode, each.stderr) == (2, "there is no document 'no such'")


def test_an_answer_that_is_cut_off_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answering = threading.Thread(target=_answer_half, args=(listener,))
        answering.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        done = Doc(SYNCROOM_URL=url, SYNCROOM_TOKEN="x").run("fsck", "demo")
        answering.join()

    assert done.returncode == 2
    assert "ended too early" in done.stderr


def _answer_half(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(
            b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n\n{"path": "", "findings": []}\n'
        )
