"""
The MeshAgent SDK for Python by remote control: a line of JSON for each request and each answer.

Runs under an interpreter of its own that has the SDK, as ``driver.mjs`` runs under Node.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import json
import sys
from typing import TYPE_CHECKING, Any

from meshagent.api import ApiScope, ParticipantToken, RoomException
from meshagent.api.client import Meshagent
from meshagent.api.messaging import Content, ErrorContent, ensure_content
from meshagent.api.runtime import runtime
from meshagent.api.schema import MeshSchema
from meshagent.tools import Toolkit
from meshagent.tools.hosting import start_hosted_toolkit

from tests.meshagent.client import CONDITIONS, Call, Client, describe
from tests.meshagent.tools import Ask, Collect, Count, Echo, pack, unpack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

JSON = dict[str, Any]
LINE_BYTES_MAX = 64 << 20


class Driver:
    """The requests, one method for each."""

    def __init__(self) -> None:
        self._clients: dict[int, Client] = {}

    async def connect(
        self, client: int, url: str, token: str, accepts_streams: bool = True
    ) -> JSON:
        connected = Client(url, token, accepts_streams)
        me = await connected.enter()
        self._clients[client] = connected
        return me

    async def mint(self, name: str, room: str, api_key: str) -> str:
        """A token made by the SDK."""
        token = ParticipantToken(name=name)
        token.add_room_grant(room)
        token.add_role_grant("agent")
        token.add_api_grant(ApiScope.agent_default())
        return str(token.to_jwt(api_key=api_key))

    async def let_in(self, url: str, project: str, room: str, api_key: str) -> JSON:
        """Make a room, and ask the server for a way into it."""
        async with Meshagent(base_url=url, token=api_key) as account:
            await account.create_room(project_id=project, name=room, metadata={"made": "here"})
            made = await account.get_room(project_id=project, name=room)
            listed = await account.list_rooms(project_id=project)
            way = await account.connect_room(project_id=project, room=room)
        return {
            "metadata": made.metadata,
            "rooms": [each.name for each in listed],
            "url": way.room_url,
            "token": way.jwt,
        }

    async def remove(self, url: str, project: str, room: str, api_key: str) -> None:
        async with Meshagent(base_url=url, token=api_key) as account:
            made = await account.get_room(project_id=project, name=room)
            await account.delete_room(project_id=project, room_id=made.id)

    async def close(self, client: int) -> None:
        await self._clients.pop(client).leave()

    async def events(self, client: int) -> list[JSON]:
        return self._clients[client].events

    async def until(self, client: int, condition: str, details: JSON, seconds: float) -> None:
        waiting = self._clients[client]
        await waiting.until(
            lambda: CONDITIONS[condition](waiting, details), seconds, f"{condition} {details}"
        )

    # -- messaging

    async def enable(self, client: int) -> None:
        await self._clients[client].room.messaging.enable()

    async def disable(self, client: int) -> None:
        await self._clients[client].room.messaging.disable()

    async def participants(self, client: int) -> list[JSON]:
        return self._clients[client].participants()

    async def send(self, client: int, to: str, kind: str, message: JSON, attachment: str) -> None:
        sender = self._clients[client]
        await sender.room.messaging.send_message(
            to=sender.named(to),
            type=kind,
            message=message,
            attachment=base64.b64decode(attachment) or None,
        )

    async def broadcast(self, client: int, kind: str, message: JSON, attachment: str) -> None:
        await self._clients[client].room.messaging.broadcast_message(
            type=kind, message=message, attachment=base64.b64decode(attachment) or None
        )

    async def set(self, client: int, name: str, value: Any) -> None:
        await self._clients[client].room.local_participant.set_attribute(name, value)

    async def converse(self, client: int, to: str, messages: list[JSON]) -> list[JSON]:
        """Send messages over a stream of their own, each after the reply to the one before."""
        sender = self._clients[client]
        first, *rest = messages
        stream = await sender.room.messaging.stream(to=sender.named(to), type="talk", message=first)
        replies = []
        for message in rest:
            await stream.send_message(type="talk", message=message, attachment=b"attached")
            replies.append(describe(await stream.receive()))
        await stream.close()
        return replies

    # -- containers, queues and files

    async def containers(self, client: int) -> JSON:
        containers = await self._clients[client].room.containers.list()
        return {it.id: [port.model_dump() for port in it.ports] for it in containers}

    async def build(self, client: int, tag: str, data: str) -> JSON:
        async def chunks() -> AsyncIterator[bytes]:
            yield base64.b64decode(data)

        containers = self._clients[client].room.containers
        place = {"mount_path": "/context", "context_path": "/context"}
        build = await containers.build(tags=[tag], chunks=chunks(), **place)
        stream = containers.get_build_logs(build_id=build)
        log = [line async for line in stream.logs()]
        known = {each.id: each.status for each in await containers.list_builds()}
        return {"log": "".join(log), "code": await stream, "status": known[build]}

    async def queues(self, client: int, verb: str, arguments: JSON) -> Any:
        result = await getattr(self._clients[client].room.queues, verb)(**arguments)
        return {queue.name: queue.size for queue in result} if verb == "list" else result

    async def storage(self, client: int, verb: str, arguments: JSON) -> Any:
        if "data" in arguments:
            arguments["data"] = base64.b64decode(arguments["data"])
        result = await getattr(self._clients[client].room.storage, verb)(**arguments)
        if verb == "list":
            return sorted(entry.name for entry in result)
        if verb == "stat":
            return None if result is None else {"name": result.name, "size": result.size}
        return pack(result) if isinstance(result, Content) else result

    # -- toolkits

    async def toolkits(self, client: int, of: str | None) -> list[JSON]:
        found = await self._clients[client].room.agents.list_toolkits(participant_id=of)
        return [
            {
                "name": toolkit.name,
                "participant": toolkit.participant_id,
                "tools": sorted(tool.name for tool in toolkit.tools),
            }
            for toolkit in found
        ]

    async def host(self, client: int, name: str, public: bool) -> None:
        host = self._clients[client]
        tools = [Ask(host.note), Count(), Echo(), Collect()]
        toolkit = Toolkit(name=name, tools=tools, public=public)
        host.toolkits[name] = await start_hosted_toolkit(room=host.room, toolkit=toolkit)

    async def unhost(self, client: int, name: str) -> None:
        await self._clients[client].toolkits.pop(name).stop()

    async def invoke(
        self, client: int, toolkit: str, tool: str, content: JSON, of: str | None
    ) -> JSON:
        answer = await self._clients[client].room.invoke(
            toolkit=toolkit, tool=tool, input=unpack(content), participant_id=of
        )
        return pack(ensure_content(answer))

    async def call(
        self, client: int, call: int, toolkit: str, tool: str, content: JSON | None
    ) -> JSON | None:
        """Begin a call; its input is a stream unless there is content for it."""
        made = Call()
        caller = self._clients[client]
        caller.calls[call] = made
        answer = await caller.room.invoke(
            toolkit=toolkit,
            tool=tool,
            input=made.contents() if content is None else unpack(content),
        )
        if isinstance(answer, Content):
            return pack(answer)
        made.output = answer
        return None

    async def put(self, client: int, call: int, content: JSON | None) -> None:
        """One more item of input, or its end."""
        self._clients[client].calls[call].input.put_nowait(
            None if content is None else unpack(content)
        )

    async def get(self, client: int, call: int) -> JSON | None:
        """The next item of output, or nothing when it has ended."""
        output = self._clients[client].calls[call].output
        assert output is not None
        content = await anext(output)
        if isinstance(content, ErrorContent):
            raise RoomException(content.text, code=content.code)
        item = pack(content)
        return None if item["type"] == "control" else item

    # -- documents

    async def create(self, client: int, path: str, schema: JSON | None, content: Any) -> None:
        await self._clients[client].room.sync.create(
            path=path,
            json=content,
            schema=None if schema is None else MeshSchema.from_json(schema),
        )

    async def describe(self, client: int, path: str) -> Any:
        return await self._clients[client].room.sync.describe(path=path)

    async def open(
        self, client: int, path: str, schema: JSON | None, create: bool, content: Any
    ) -> Any:
        return await self._clients[client].open(path, schema, create, content)

    async def shut(self, client: int, path: str) -> None:
        owner = self._clients[client]
        del owner.documents[path]
        await owner.room.sync.close(path=path)

    async def content(self, client: int, path: str) -> Any:
        return self._clients[client].documents[path].to_json()

    async def edit(self, client: int, path: str, kind: str, at: list[int], details: JSON) -> None:
        self._clients[client].edit(path, kind, at, details)

    async def mirror(self, schema: JSON, updates: list[str]) -> list[JSON]:
        """What a document holds after each of these updates, without a server."""
        document = runtime.new_document(schema=MeshSchema.from_json(schema))
        contents = []
        for update in updates:
            runtime.apply_backend_changes(document.id, update)
            contents.append(copy.deepcopy(document.to_json()))
        document.close()
        return contents


def complaint(error: BaseException) -> JSON:
    return {
        "kind": type(error).__name__,
        "message": str(error),
        "code": getattr(error, "code", None),
    }


async def answer(driver: Driver, line: bytes) -> None:
    request = json.loads(line)
    number = request.pop("id")
    try:
        result = await getattr(driver, request.pop("request"))(**request)
    except Exception as error:
        reply = {"id": number, "error": complaint(error)}
    else:
        reply = {"id": number, "result": result}
    sys.stdout.write(json.dumps(reply, default=str) + "\n")
    sys.stdout.flush()


async def main() -> None:
    driver = Driver()
    reader = asyncio.StreamReader(limit=LINE_BYTES_MAX)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    tasks = set()
    while line := await reader.readline():
        task = asyncio.create_task(answer(driver, line))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


if __name__ == "__main__":
    asyncio.run(main())
