"""``syncroom room storage``: files in and out, whole or not at all."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import sys
import termios
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


def test_a_file_is_copied_to_the_room_from_it_and_within_it(
    command: RoomCommand, file: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        command.out("storage", "cp", str(file), "room://a")
        command.out("storage", "cp", "room://a", "room://notes/b")
        command.out("storage", "cp", "room://notes/b", str(tmp_path / "new" / "back"))

    assert (tmp_path / "new" / "back").read_bytes() == CONTENT
    assert "room://" in command.fails(2, "storage", "cp", "a", "b")
    assert "not found" in command.fails(3, "storage", "cp", "room://none", "room://b")
    piped = command.begin("storage", "cp", "-", "room://piped")
    assert piped.communicate(CONTENT) == (b"", b"")
    assert command.begin("storage", "cp", "room://piped", "-").communicate() == (CONTENT, b"")


def test_folders_and_what_matches_a_pattern_are_copied(
    command: RoomCommand, tmp_path: Path
) -> None:
    here = tmp_path / "here"
    for name in ("a.txt", "b.txt", "c.md", "deep/d.txt"):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text(name)

    def there(folder: str) -> list[str]:
        lines = command.json("storage", "ls", folder, "-r")
        return [each["path"].removeprefix(f"{folder}/") for each in lines if not each["is_folder"]]

    command.out("storage", "cp", "-r", str(here), "room://new")
    command.out("storage", "cp", "-r", str(here), "room://new")
    command.out("storage", "cp", str(here / "*.txt"), "room://texts/")
    command.out("storage", "cp", "-r", "room://new/[cd]*", "room://some/")
    command.out("storage", "cp", "-r", "room://new", str(tmp_path / "back"))
    command.out("storage", "cp", "room://new/c.md", str(tmp_path))

    tree = ["a.txt", "b.txt", "c.md", "deep/d.txt"]
    assert there("new") == [*tree, *(f"here/{name}" for name in tree)]
    assert there("texts") == ["a.txt", "b.txt"]
    assert there("some") == ["c.md", "deep/d.txt"]
    for name in tree:
        assert (tmp_path / "back" / "here" / name).read_text() == name
    assert (tmp_path / "c.md").read_text() == "c.md"
    assert "--recursive" in command.fails(2, "storage", "cp", str(here), "room://x")
    assert "2 files" in command.fails(2, "storage", "cp", str(here / "*.txt"), "room://x")
    for pattern in (str(here / "*.png"), "room://new/*.png"):
        assert "nothing matches" in command.fails(3, "storage", "cp", pattern, "room://x/")
    assert command.out("storage", "exists", "x", code=3) == "false\n"


def test_what_matches_a_pattern_is_listed_and_deleted(command: RoomCommand, file: Path) -> None:
    for name in ("a.txt", "b.txt", "c.md", "d[1].txt"):
        command.out("storage", "put", str(file), f"room://notes/{name}")

    assert [it["path"] for it in command.json("storage", "ls", "room://notes/[ab]*")] == [
        "notes/a.txt",
        "notes/b.txt",
    ]
    command.out("storage", "rm", "notes/d[1].txt")  # what is there is meant, not a pattern
    command.out("storage", "rm", "room://notes/?.txt")
    assert [it["path"] for it in command.json("storage", "ls", "notes")] == ["notes/c.md"]
    assert [it["path"] for it in command.json("storage", "ls", "notes/c.md")] == ["notes/c.md"]
    assert "nothing matches" in command.fails(3, "storage", "rm", "notes/*.txt")


def test_text_in_other_encodings_is_written_as_utf_8(command: RoomCommand, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("H\u00e4llo", encoding="utf-16")
    command.out("storage", "put", str(tmp_path / "a"), "a")

    assert command.out("storage", "get", "a", "--encoding", "utf-16") == "H\u00e4llo"
    assert "no encoding" in command.fails(2, "storage", "get", "a", "--encoding", "hex")
    (tmp_path / "b").write_bytes(b"ab")
    command.out("storage", "put", str(tmp_path / "b"), "b")
    assert "no text" in command.fails(2, "storage", "get", "b", "--encoding", "utf-16")


def test_a_presigned_url_does_one_thing(
    shared_server: Server, room: str, command: RoomCommand, file: Path
) -> None:
    actions = ["read", "write", "presign"]
    rule = {"path": "", "recursive": True, "actions": actions}
    signer = RoomCommand(shared_server, room, scope={"storage": {"files": {"paths": [rule]}}})

    given = ("--method", "PUT", "--expires-in", "600")
    put = json.loads(signer.out("storage", "presign", "room://a", *given))
    request = urllib.request.Request(put["url"], file.read_bytes(), method=put["method"])
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 201
    get = json.loads(signer.out("storage", "presign", "a"))
    with urllib.request.urlopen(get["url"]) as answer:
        assert answer.read() == CONTENT
    assert get["expires_at"] > put["expires_at"]
    delete = ("storage", "presign", "a", "--method", "DELETE")
    assert "do not have permission" in signer.fails(4, *delete)
    assert "do not have permission" in command.fails(4, "storage", "presign", "a")
    assert "604800" in command.fails(2, "storage", "presign", "a", "--expires-in", "604801")


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


def test_what_goes_out_is_whole_though_the_command_is_stopped_in_between(
    command: RoomCommand, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a buffer of its own, as many containers run Python."""
    command.out("storage", "put", str(file), "a.bin")
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")

    running = command.begin("storage", "get", "a.bin")
    assert running.stdout is not None
    full, waiting = fcntl.fcntl(running.stdout, fcntl.F_GETPIPE_SZ), bytearray(4)
    while int.from_bytes(waiting, sys.byteorder) < full:
        fcntl.ioctl(running.stdout, termios.FIONREAD, waiting)
    running.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, running.pid, os.WSTOPPED)
    running.send_signal(signal.SIGCONT)

    assert running.communicate()[0] == CONTENT


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
