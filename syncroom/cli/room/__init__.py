"""
``syncroom room``: the APIs of a room on a server that runs, with the verbs of the MeshAgent
command line where it has them.

Exit codes: 0, it is done; 1, it failed; 2, it was asked wrongly; 3, there is no such thing; 4, the
token does not permit it; 5, the server can't be reached; 130, it was interrupted.
"""

from __future__ import annotations

import typer

from syncroom.cli.room import (
    agent,
    connect,
    container,
    developer,
    messaging,
    queue,
    secret,
    service,
    storage,
    sync,
)

app = typer.Typer(
    name="room",
    help="Inside a room of a running server: its files, queues, messages and whatever else it has.",
    no_args_is_help=True,
)
app.command("connect", epilog=connect.EXAMPLE)(connect.connect)
for each in (storage, queue, messaging, agent, sync, developer, service, secret, container):
    app.add_typer(each.app)
for group in (agent, service):  # as the MeshAgent command line calls them as well
    app.add_typer(group.app, name=f"{group.app.info.name}s", hidden=True)
