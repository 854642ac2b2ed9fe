"""``syncroom room queue``: messages that wait, in order."""

from __future__ import annotations

import asyncio
import base64
import email.policy
import json
from typing import TYPE_CHECKING

from tests.cli.room.support import RoomCommand, member

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.server import Server


def test_messages_are_received_in_the_order_in_which_they_were_sent(
    command: RoomCommand, tmp_path: Path
) -> None:
    (tmp_path / "second.json").write_text('{"n": 2}')

    command.out("queue", "send", "--queue", "jobs", "--json", '{"n": 1}')
    command.out("queue", "send", "--queue", "jobs", "-f", str(tmp_path / "second.json"))

    assert command.json("queue", "list") == [{"name": "jobs", "size": 2}]
    assert command.out("queue", "list").split() == ["2", "jobs"]
    assert command.out("queue", "size", "--queue", "jobs") == "2\n"
    received = [json.loads(command.out("queue", "receive", "--queue", "jobs")) for _ in range(2)]
    assert received == [{"n": 1}, {"n": 2}]
    assert "nothing waits" in command.fails(3, "queue", "receive", "--queue", "jobs")


async def test_who_waits_gets_what_is_still_to_come(
    command: RoomCommand, shared_server: Server, room: str
) -> None:
    async with member(shared_server, room) as ben:
        waiting = asyncio.create_task(command.later("queue", "receive", "--queue", "q", "--wait"))
        sent = {"name": "q", "create": True, "message": {"n": 1}}
        await ben.call("queues", "send", sent)

        assert json.loads(await waiting) == {"n": 1}


def test_queues_are_drained_and_closed(command: RoomCommand) -> None:
    command.out("queue", "send", "--queue", "q", "--json", "{}")

    command.out("queue", "drain", "--queue", "q")
    assert command.out("queue", "size", "--queue", "q") == "0\n"
    command.out("queue", "close", "--queue", "q")

    for verb in ("size", "drain", "close", "receive"):
        assert "no queue 'q'" in command.fails(3, "queue", verb, "--queue", "q")
    unmade = ("--queue", "q", "--json", "{}", "--no-create")
    assert "no queue 'q'" in command.fails(3, "queue", "send", *unmade)


def test_what_is_no_message_is_refused(command: RoomCommand, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text("[]")
    send = ("queue", "send", "--queue", "q")

    assert "JSON object" in command.fails(2, *send, "--json", "{")
    assert "JSON object" in command.fails(2, *send, "--json-file", str(file))
    assert "either" in command.fails(2, *send)
    assert "either" in command.fails(2, *send, "--json", "{}", "--json-file", str(file))
    assert "No such file" in command.fails(1, *send, "--json-file", str(tmp_path / "none"))


def test_a_mail_is_put_into_a_queue(command: RoomCommand, tmp_path: Path) -> None:
    (tmp_path / "plan.txt").write_text("water")
    (tmp_path / "data.unknown").write_bytes(b"\x00\xff")
    written = ("--from", "Ann <ann@example.org>", "--subject", "H\u00e4llo", "--body", "Hi, Ben")
    files = [f"--attachment={tmp_path / name}" for name in ("plan.txt", "data.unknown")]

    command.out("queue", "send-mail", "--queue", "mail", *written, *files)

    received = json.loads(command.out("queue", "receive", "--queue", "mail"))
    mail = email.message_from_bytes(
        base64.b64decode(received["base64"]), policy=email.policy.default
    )
    assert (mail["From"], mail["To"], mail["Subject"]) == (written[1], "mail", written[3])
    assert "@example.org>" in mail["Message-ID"] and mail["Date"]
    body = mail.get_body()
    assert body is not None and body.get_content() == "Hi, Ben\n"
    assert [(it.get_filename(), it.get_content_type()) for it in mail.iter_attachments()] == [
        ("plan.txt", "text/plain"),
        ("data.unknown", "application/octet-stream"),
    ]


def test_what_is_no_mail_is_refused(command: RoomCommand, tmp_path: Path) -> None:
    send = ("queue", "send-mail", "--queue", "mail", "--subject", "a", "--from")

    assert "mail address" in command.fails(2, *send, "ann")
    assert "mail address" in command.fails(2, *send, "a@example.org, b@example.org")
    assert "into a mail" in command.fails(2, *send, "a@example.org\nTo: b@example.org")
    nothing = ("--attachment", str(tmp_path / "none"))
    assert "No such file" in command.fails(1, *send, "a@example.org", *nothing)
    assert command.json("queue", "list") == []
