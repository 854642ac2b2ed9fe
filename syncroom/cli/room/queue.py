"""``syncroom room queue``: the queues of a room."""

from __future__ import annotations

import base64
import mimetypes
from email.message import EmailMessage
from email.utils import localtime, make_msgid
from pathlib import Path
from typing import Annotated, Any

import typer

from syncroom.cli.options import print_json
from syncroom.cli.room.base import EXIT_NOT_FOUND, As, command, group, read_given, show
from syncroom.client.room import RoomClient
from syncroom.errors import Malformed, NotFound

app = group("queue", "The queues of a room: send and receive messages.")

Queue = Annotated[str, typer.Option("--queue", help="The queue.")]


@command(app, "list", "list --room demo")
async def list_queues(room: RoomClient, output: As = "text") -> None:
    """List the queues: how many messages wait, and the name."""
    found = await _list(room)
    show(found, output, (f"{each['size']:>8}  {each['name']}" for each in found))


@command(app, "send", "send --queue jobs --json '{\"n\": 1}' --room demo")
async def send(
    room: RoomClient,
    queue: Queue,
    json: Annotated[str | None, typer.Option(help="The message, a JSON object.")] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json-file", "--file", "-f", help="A file that holds it.")
    ] = None,
    create: Annotated[bool, typer.Option(help="Make the queue where there is none.")] = True,
) -> None:
    """Put a message at the end of a queue; it is on disk when the command ends."""
    message = read_given(json, json_file, "json")
    await room.call("queues", "send", {"name": queue, "create": create, "message": message})


@command(app, "send-mail", "send-mail --queue mail --from ann@example.org --subject Hi --room demo")
async def send_mail(
    room: RoomClient,
    queue: Queue,
    subject: Annotated[str, typer.Option(help="What it is about.")],
    sender: Annotated[str, typer.Option("--from", help="Who writes, a mail address.")],
    body: Annotated[str, typer.Option(help="What it says.")] = "",
    attachment: Annotated[
        list[Path] | None, typer.Option(help="A file to go with it; may be given several times.")
    ] = None,
) -> None:
    """Put a mail into a queue, as agents that answer mail take it from there."""
    mail = _mail(queue, sender, subject, body, attachment or [])
    message = {"base64": base64.b64encode(mail.as_bytes()).decode()}
    await room.call("queues", "send", {"name": queue, "create": True, "message": message})


@command(app, "receive", "receive --queue jobs --wait --room demo")
async def receive(
    room: RoomClient,
    queue: Queue,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for one where there is none.")] = False,
) -> None:
    """Take the first message of a queue, and print it as JSON. Exit code 3: there is none."""
    asked = {"name": queue, "create": wait, "wait": wait}
    answer = await room.call("queues", "receive", asked)
    if answer.kind == "empty":
        typer.echo(f"syncroom: nothing waits in the queue {queue!r}", err=True)
        raise typer.Exit(EXIT_NOT_FOUND)
    print_json(answer.header["text" if answer.kind == "text" else "json"])


@command(app, "size", "size --queue jobs --room demo")
async def size(room: RoomClient, queue: Queue) -> None:
    """Print how many messages wait in a queue."""
    sizes = {each["name"]: each["size"] for each in await _list(room)}
    if queue not in sizes:
        raise NotFound(f"there is no queue {queue!r}")
    typer.echo(sizes[queue])


@command(app, "drain", "drain --queue jobs --room demo")
async def drain(room: RoomClient, queue: Queue) -> None:
    """Throw away the messages that nobody has received."""
    await room.call("queues", "drain", {"name": queue})


@command(app, "close", "close --queue jobs --room demo")
async def close(room: RoomClient, queue: Queue) -> None:
    """End a queue with its messages; who waits there is told that there is none."""
    await room.call("queues", "close", {"name": queue})


async def _list(room: RoomClient) -> list[dict[str, Any]]:
    answer = await room.call("queues", "list")
    found: list[dict[str, Any]] = answer.header["json"]["queues"]
    return found


def _mail(to: str, sender: str, subject: str, body: str, files: list[Path]) -> EmailMessage:
    """A mail; raises `Malformed`, `OSError`."""
    mail = EmailMessage()
    try:
        for name, value in (("Subject", subject), ("From", sender), ("To", to)):
            mail[name] = value
        mail.set_content(body)
    except ValueError as error:
        raise Malformed(f"this can't be put into a mail: {error}") from None
    senders = mail["From"].addresses
    if len(senders) != 1 or not (senders[0].username and senders[0].domain):
        raise Malformed(f"--from is a mail address, not {sender!r}")
    mail["Date"] = localtime()
    mail["Message-ID"] = make_msgid(domain=senders[0].domain)
    for file in files:
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        maintype, _, subtype = kind.partition("/")
        mail.add_attachment(
            file.read_bytes(), maintype=maintype, subtype=subtype, filename=file.name
        )
    return mail
