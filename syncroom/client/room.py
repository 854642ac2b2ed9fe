"""
A room as a program meets it that takes part: it calls tools, sends messages, hears of events.

One client is one participant on one connection. When that is lost, all that waits fails with
`Unavailable`; the way back is a new client. What a server refuses is raised in the server's words.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import uuid
from collections.abc import Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from websockets.asyncio.client import connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidStatus,
    InvalidURI,
)

from syncroom.client.feed import Feed
from syncroom.errors import (
    Conflict,
    Denied,
    Disabled,
    Malformed,
    Misconfigured,
    NotFound,
    SyncroomError,
    Unavailable,
)
from syncroom.protocol import meshagent as wire
from syncroom.protocol.meshagent import Content

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from types import TracebackType

    from websockets.asyncio.client import ClientConnection

_MESSAGE_BYTES_MAX = 512 << 20
"""An answer: a document of 256 MiB in base64, and more."""

_PACKET_BYTES_MAX = 4 << 20
_DEPTH_MAX = 128
_CLOSE_NORMAL = 1000
_SCHEMES = {"http://": "ws://", "https://": "wss://"}

_BY_STATUS: Mapping[int, type[SyncroomError]] = {
    401: Denied,
    403: Denied,
    404: NotFound,
    423: Disabled,
}
_BY_NUMBER: Mapping[int, type[SyncroomError]] = {
    1001: Denied,
    1002: Malformed,
    **dict.fromkeys((1003, 2001, 3001, 5001, 6001, 7001), NotFound),
    **dict.fromkeys((1004, 1005, 1006, 2002, 3002, 3005, 5002, 7002, 7003), Conflict),
    3004: Malformed,
}
"""What the numbers mean that servers give errors; any other is a `SyncroomError`."""

Arguments = Mapping[str, Any] | Content


class Event(NamedTuple):
    """What a room tells its participants, or asks those that host toolkits."""

    number: int
    """What an answer to it has to bear."""
    kind: str
    header: Mapping[str, Any]
    payload: bytes


class CallStream:
    """A call with a stream in each direction; iterate to read what the tool sends."""

    def __init__(self, client: RoomClient, call_id: str) -> None:
        self.id = call_id
        self.feed: Feed[Content] = Feed()
        self._client = client
        self._is_ended = False

    def __aiter__(self) -> Feed[Content]:
        return self.feed

    async def receive(self) -> Content:
        """The next content that the tool sends; raises `Unavailable` where there is none."""
        async for content in self.feed:
            return content
        raise Unavailable("the server ended the stream too early")

    async def send(self, content: Content) -> None:
        """Send the tool a content; waits while the tool reads slower than it is sent to."""
        await self._client.request(wire.REQUEST_CHUNK, self._header(content), content.payload)

    async def end(self) -> None:
        """Tell the tool that nothing more will be sent."""
        if not self._is_ended:
            self._is_ended = True
            await self._client.send(wire.REQUEST_CHUNK, self._header(wire.CLOSE))

    async def give_up(self) -> None:
        """Let the tool fail rather than take what it was sent for all there is."""
        if not self._is_ended:
            error = wire.error_content("the caller gave up")
            await self._client.send(wire.REQUEST_CHUNK, self._header(error))
            await self.end()

    def _header(self, content: Content) -> dict[str, Any]:
        return {"tool_call_id": self.id, "chunk": content.header}

    def take(self, content: Content) -> None:
        """Let what the tool sent be read."""
        if content.is_close:
            self.feed.end()
        elif content.kind == "error":
            self.feed.end(_error_in(content))
        else:
            self.feed.put(content)


class RoomClient:
    """A participant in a room.

    ``async with RoomClient("http://127.0.0.1:8420", "demo", token) as room:`` joins, and leaves.
    Joining raises `Denied`, `NotFound`, `Disabled`, `Misconfigured`, `Unavailable`.

    Args:
        url: the server, ``http``, ``https``, ``ws`` or ``wss``.
        room: the name of the room.
        token: who takes part, and what it may do.
    """

    def __init__(self, url: str, room: str, token: str) -> None:
        base = _socket_url(url)
        self.id = ""
        """Of this participant, once it has joined."""
        self.server = f"http{base.removeprefix('ws')}"
        """Where the server answers over HTTP."""
        self.name = room
        """Of the room."""
        self.token = token
        self._url = f"{base}/rooms/{quote(room, safe='')}"
        self._socket: ClientConnection
        self._reading: asyncio.Task[None]
        self._numbers = itertools.count(1)
        self._sending = asyncio.Lock()
        self._answers: dict[int, asyncio.Future[Content]] = {}
        self._streams: dict[str, CallStream] = {}
        self._listening: list[Feed[Event]] = []
        self._lost: SyncroomError | None = None
        """Why the connection is no more."""

    async def __aenter__(self) -> RoomClient:
        self._socket = await _dial(self._url, self.token)
        with self.events() as events:
            self._reading = asyncio.create_task(self._read())
            try:
                while not self.id:
                    event = await anext(events)
                    if event.kind == wire.CONNECTED:
                        self.id = str(event.header["participantId"])
            except BaseException:
                await self._close()
                raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._close()

    async def call(
        self,
        toolkit: str,
        tool: str,
        arguments: Arguments = wire.EMPTY,
        *,
        participant_id: str | None = None,
        on_behalf_of_id: str | None = None,
    ) -> Content:
        """Call a tool that answers once; raises what it answers as an error.

        Args:
            toolkit: one of the room's own, or one that a participant hosts.
            tool: its name in there.
            arguments: a JSON object, or any content.
            participant_id: who hosts the toolkit, where several do.
            on_behalf_of_id: the participant for whom this one acts.
        """
        content = arguments if isinstance(arguments, Content) else wire.json_content(arguments)
        header = {"toolkit": toolkit, "tool": tool, "arguments": content.header}
        whose = {"participant_id": participant_id, "on_behalf_of_id": on_behalf_of_id}
        return await self.request(wire.INVOKE, header | whose, content.payload)

    @asynccontextmanager
    async def stream(
        self,
        toolkit: str,
        tool: str,
        *first: Content,
        arguments: Content = wire.OPEN,
        participant_id: str | None = None,
        on_behalf_of_id: str | None = None,
    ) -> AsyncIterator[CallStream]:
        """Call a tool that streams, and send it some first contents.

        The stream ends with the block; where that raises, the tool is told that it was given up.
        A tool that answers once sends that alone.

        Args:
            toolkit: as of `call`, like what else is named so there.
            tool: its name in there.
            first: what to send at once.
            arguments: what a tool is given that reads no stream.
            participant_id: who hosts the toolkit.
            on_behalf_of_id: the participant for whom this one acts.
        """
        stream = CallStream(self, uuid.uuid4().hex)
        self._streams[stream.id] = stream
        header = {"toolkit": toolkit, "tool": tool, "arguments": arguments.header}
        whose = {"participant_id": participant_id, "on_behalf_of_id": on_behalf_of_id}
        asked = header | whose | {"tool_call_id": stream.id}
        try:
            answer = await self.request(wire.INVOKE, asked, arguments.payload)
            if not answer.is_open:
                stream.take(answer)
                stream.take(wire.CLOSE)
            for content in first:
                await stream.send(content)
            yield stream
            await stream.end()
        except BaseException:
            with contextlib.suppress(SyncroomError):
                await stream.give_up()
            raise
        finally:
            del self._streams[stream.id]

    @contextmanager
    def events(self) -> Iterator[Feed[Event]]:
        """What the room tells its participants from here to the end of the block."""
        feed: Feed[Event] = Feed()
        if self._lost is not None:
            feed.end(self._lost)
        self._listening.append(feed)
        try:
            yield feed
        finally:
            self._listening.remove(feed)

    async def request(self, kind: str, header: Mapping[str, Any], payload: bytes = b"") -> Content:
        """Send a message that is answered; raises the answer where it is an error."""
        number = next(self._numbers)
        answer = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            await self._send(number, kind, header, payload)
            content: Content = await answer
        finally:
            del self._answers[number]
        if content.kind == "error":
            raise _error_in(content)
        return content

    async def send(self, kind: str, header: Mapping[str, Any], payload: bytes = b"") -> None:
        """Send a message whose answer says nothing."""
        await self._send(next(self._numbers), kind, header, payload)

    async def answer(self, event: Event, content: Content) -> None:
        """Answer a call of a tool that this participant hosts."""
        await self._send(event.number, wire.HOST_RESPONSE, content.header, content.payload)

    async def _send(
        self, number: int, kind: str, header: Mapping[str, Any], payload: bytes
    ) -> None:
        async with self._sending:  # packets of two messages never mix
            if self._lost is not None:
                raise self._lost
            try:
                for packet in wire.packets(number, kind, wire.pack(header, payload)):
                    await self._socket.send(packet)
            except ConnectionClosed as closed:
                raise _loss(closed) from None

    async def _read(self) -> None:
        assembler = wire.Assembler(_MESSAGE_BYTES_MAX)
        try:
            while True:
                message = assembler.take(await self._socket.recv(decode=False))
                if message is not None:
                    self._take(*message)
        except ConnectionClosed as closed:
            self._lose(_loss(closed))
        except SyncroomError as error:
            self._lose(error)

    def _take(self, number: int, kind: str, body: bytes) -> None:
        header, payload = wire.unpack(body, _DEPTH_MAX)
        if kind == wire.RESPONSE:
            answer = self._answers.get(number)
            if answer is not None and not answer.done():
                answer.set_result(wire.read_content(header, payload))
        elif kind == wire.RESPONSE_CHUNK:
            stream = self._streams.get(str(header.get("tool_call_id")))
            if stream is not None:
                stream.take(wire.read_content(header.get("chunk"), payload))
        else:
            for feed in self._listening:
                feed.put(Event(number, kind, header, payload))

    def _lose(self, error: SyncroomError) -> None:
        self._lost = error
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(error)
        for stream in self._streams.values():
            stream.feed.end(error)
        for feed in self._listening:
            feed.end(error)

    async def _close(self) -> None:
        self._reading.cancel()
        await self._socket.close()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reading


async def _dial(url: str, token: str) -> ClientConnection:
    """A connection to a room; raises what the server refuses it with, `Unavailable`."""
    headers = {"Authorization": f"Bearer {token}"}
    try:
        return await connect(
            url, additional_headers=headers, compression=None, max_size=_PACKET_BYTES_MAX
        )
    except InvalidURI:
        raise Misconfigured(f"{url!r} is no URL of a room") from None
    except InvalidStatus as refusal:
        status, body = refusal.response.status_code, refusal.response.body or b""
        reason = body.decode(errors="replace").strip() or f"the server answered {status}"
        raise _BY_STATUS.get(status, Unavailable)(reason) from None
    except InvalidMessage:
        raise Unavailable(f"{url} can't be reached: there is no such server") from None
    except (OSError, TimeoutError, InvalidHandshake) as error:
        raise Unavailable(f"{url} can't be reached: {error}") from None


def _socket_url(url: str) -> str:
    for scheme, theirs in _SCHEMES.items():
        if url.startswith(scheme):
            url = theirs + url.removeprefix(scheme)
    if not url.startswith(("ws://", "wss://")):
        raise Misconfigured(f"{url!r} is no http, https, ws or wss URL")
    return url.rstrip("/")


def _error_in(content: Content) -> SyncroomError:
    number = content.header.get("code")
    kind = _BY_NUMBER.get(number, SyncroomError) if isinstance(number, int) else SyncroomError
    return kind(str(content.header.get("text", "the server does not say why")))


def _loss(closed: ConnectionClosed) -> SyncroomError:
    frame = closed.rcvd
    if frame is not None and frame.code == _CLOSE_NORMAL and frame.reason:
        return Denied(frame.reason)  # the server's way to say that coming back won't help
    reason = frame.reason if frame is not None else ""
    return Unavailable(f"the connection to the room was lost{reason and ': '}{reason}")
