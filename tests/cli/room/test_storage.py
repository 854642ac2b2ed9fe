"""``syncroom room storage``: files in and out, whole or not at all."""

from __future__ import annotations

import os
import pty
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.cli.room.support import RoomCommand

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.server import Server

CONTENT = os.urandom(3 << 20)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.bin"
    path.write_bytes(CONTENT)
    return path


def test_a_file_goes_there_and_back(command: RoomCommand, file: Path, tmp_path: Path) -> None:
    command.out("storage", "put", str(file), "notes/a.bin")
    command.out("storage", "get", "notes/a.bin", "--to", str(tmp_path / "back"))

    assert (tmp_path / "back").read_bytes() == CONTENT
    assert sorted(each.name for each in tmp_path.iterdir() if each.is_file()) == ["a.bin", "back"]


def test_an_empty_file_is_one(command: RoomCommand, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()

    command.out("storage", "put", str(tmp_path / "empty"), "empty")

    assert command.out("storage", "get", "empty") == ""
    assert command.json("storage", "stat", "empty")["size"] == 0


def test_a_file_that_is_there_is_replaced_only_where_that_is_said(
    command: RoomCommand, file: Path
) -> None:
    command.out("storage", "put", str(file), "a")

    assert "already" in command.fails(1, "storage", "put", str(file), "a")
    command.out("storage", "put", str(file), "a", "--overwrite", "--mime-type", "image/png")


def test_folders_are_listed_and_what_lies_below_them(command: RoomCommand, file: Path) -> None:
    for path in ("a.bin", "notes/b.bin", "notes/deep/c.bin"):
        command.out("storage", "put", str(file), path)

    listed = command.json("storage", "ls")
    deep = command.json("storage", "ls", "notes/", "-r")

    assert [line["path"] for line in listed] == ["a.bin", "notes"]
    paths = ["notes/b.bin", "notes/deep", "notes/deep/c.bin"]
    assert [line["path"] for line in deep] == paths
    lines = command.out("storage", "ls").splitlines()
    assert lines[0].endswith(f"  {len(CONTENT)}  a.bin")
    assert lines[1].endswith("  notes/")
    assert command.json("storage", "ls", "nowhere") == []


def test_what_is_at_a_path_is_told(command: RoomCommand, file: Path) -> None:
    command.out("storage", "put", str(file), "a.bin")

    assert command.out("storage", "exists", "a.bin") == "true\n"
    assert command.out("storage", "exists", "b.bin", code=3) == "false\n"
    assert f"size: {len(CONTENT)}\n" in command.out("storage", "stat", "a.bin")
    assert command.json("storage", "stat", "a.bin")["is_folder"] is False
    assert "'b.bin'" in command.fails(3, "storage", "stat", "b.bin")


def test_files_are_moved_and_deleted(command: RoomCommand, file: Path) -> None:
    command.out("storage", "put", str(file), "notes/a")
    command.out("storage", "put", str(file), "notes/b")

    assert "already" in command.fails(1, "storage", "mv", "notes/a", "notes/b")
    command.out("storage", "mv", "notes/a", "notes/b", "--overwrite")
    assert command.out("storage", "exists", "notes/a", code=3) == "false\n"
    assert "folder" in command.fails(1, "storage", "rm", "notes")
    command.out("storage", "rm", "notes/b")
    command.out("storage", "put", str(file), "notes/c")
    command.out("storage", "rm", "notes", "-r")
    assert command.json("storage", "ls") == []
    assert "no file" in command.fails(3, "storage", "rm", "notes")
    assert "no file" in command.fails(3, "storage", "mv", "notes/a", "b")


def test_a_url_works_alone(command: RoomCommand, file: Path) -> None:
    command.out("storage", "put", str(file), "a")

    url = command.out("storage", "url", "a", "--attachment").strip()

    assert command.json("storage", "url", "a")["url"].startswith("http")
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == CONTENT
        assert answer.headers["Content-Disposition"].startswith("attachment")
    assert "file not found" in command.fails(3, "storage", "url", "b")


def test_files_are_copied_as_with_the_meshagent_command_line(
    command: RoomCommand, file: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        command.out("storage", "cp", str(file), "room://a")
        command.out("storage", "cp", "room://a", str(tmp_path / "back"))

    assert (tmp_path / "back").read_bytes() == CONTENT
    assert "room://" in command.fails(2, "storage", "cp", "a", "b")
    assert "room://" in command.fails(2, "storage", "cp", "room://a", "room://b")


def test_a_download_that_fails_leaves_no_file_and_keeps_what_was_there(
    command: RoomCommand, tmp_path: Path
) -> None:
    (tmp_path / "mine").write_text("mine")

    assert "file not found" in command.fails(3, "storage", "get", "x", "--to", f"{tmp_path}/mine")
    no_folder = command.fails(1, "storage", "put", str(tmp_path / "none"), "a")

    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == ["mine"]
    assert "No such file" in no_folder


def test_what_comes_in_is_sent_and_what_goes_out_is_read(
    command: RoomCommand, file: Path, tmp_path: Path
) -> None:
    piped = command.begin("storage", "put", "-", "piped")
    assert piped.communicate(CONTENT) == (b"", b"")
    assert piped.returncode == 0
    with file.open("rb") as stdin:
        redirected = command.begin("storage", "put", "-", "redirected", stdin=stdin)
    assert redirected.communicate() == (b"", b"")

    for path in ("piped", "redirected"):
        assert command.begin("storage", "get", path).communicate() == (CONTENT, b"")


def test_progress_is_shown_on_a_terminal(command: RoomCommand, file: Path) -> None:
    ours, theirs = pty.openpty()
    upload = command.begin("storage", "put", str(file), "shown.bin", stderr=theirs)
    os.close(theirs)
    shown = bytearray()
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:  # how a terminal ends
        os.close(ours)

    assert upload.communicate()[0] == b""
    assert upload.returncode == 0
    assert b"shown.bin" in shown
    assert b"3.1/3.1 MB" in shown


def test_bad_paths_are_told(command: RoomCommand) -> None:
    assert "path" in command.fails(2, "storage", "stat", "a/../b")
    assert "root" in command.fails(2, "storage", "get", "")


def test_what_a_token_does_not_grant_changes_nothing(
    shared_server: Server, room: str, command: RoomCommand, file: Path
) -> None:
    scope = {"storage": {"paths": [{"path": "notes", "read_only": True}]}}
    reader = RoomCommand(shared_server, room, scope=scope)
    command.out("storage", "put", str(file), "notes/a")
    denied = "you do not have permission"

    assert denied in reader.fails(4, "storage", "put", str(file), "notes/b")
    assert denied in reader.fails(4, "storage", "rm", "notes/a")
    assert denied in reader.fails(4, "storage", "mv", "notes/a", "notes/b")
    assert denied in reader.fails(4, "storage", "get", "other")
    assert [each["name"] for each in reader.json("storage", "ls", "notes")] == ["a"]
