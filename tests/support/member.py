"""
A participant that speaks the MeshAgent protocol by hand: packets, messages, calls, streams.

It shares no code with the server, so that both can't be wrong in the same way. Everything received
is kept in order, and waiting is for messages, never for time.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

JSON = dict[str, Any]
WAIT_S_MAX = 60.0
SLICE_BYTES = 1 << 20

OPEN: JSON = {"type": "control", "method": "open"}
CLOSE: JSON = {"type": "control", "method": "close", "status_code": 1000}


class Message(NamedTuple):
    """One message of the server's."""

    number: int
    kind: str
    header: JSON
    payload: bytes

    @property
    def chunk(self) -> JSON:
        """The content of a stream that it brings."""
        chunk: JSON = self.header.get("chunk", {})
        return chunk


def pack(header: Any, payload: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "big") + text + payload


def packet(number: int, index: int, rest: bytes, total: int | None = None) -> bytes:
    head = number.to_bytes(8, "big") + index.to_bytes(4, "big")
    return head + (b"" if total is None else total.to_bytes(4, "big")) + rest


def packets(number: int, kind: str, body: bytes, slice_bytes: int = SLICE_BYTES) -> list[bytes]:
    slices = [body[at : at + slice_bytes] for at in range(0, len(body), slice_bytes)]
    first = packet(number, 0, kind.encode(), len(slices))
    return [first, *(packet(number, at, each) for at, each in enumerate(slices, 1))]


def json_content(value: Any) -> JSON:
    return {"type": "json", "json": value}


class Member:
    """One connection to a room."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.received: list[Message] = []
        self.is_closed = False
        self.answers_calls = False
        """Whether it answers calls of what it hosts by itself, with what it is asked."""
        self.numbers: Iterator[int] = itertools.count(1)
        """What its messages are numbered with."""
        self._partial: tuple[int, str, int, list[bytes]] | None = None
        self._changed = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def dial(cls, url: str, **options: Any) -> Self:
        """Connect, and return at once."""
        given: dict[str, Any] = dict.fromkeys(["compression", "max_size", "ping_interval", "proxy"])
        given["open_timeout"] = WAIT_S_MAX
        return cls(await connect(url, **(given | options)))

    @classmethod
    async def join(cls, url: str, **options: Any) -> Self:
        """Connect, and return once the room is ready."""
        member = await cls.dial(url, **options)
        await member.first("connected")
        return member

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.cut()

    @property
    def id(self) -> str:
        [me] = self.of_kind("connected")
        identity: str = me.header["participantId"]
        return identity

    # -- what comes

    async def _read(self) -> None:
        try:
            async for frame in self.socket:
                assert isinstance(frame, bytes), "the server sent a text frame"
                message = self._assemble(frame)
                if message is not None:
                    async with self._changed:
                        self.received.append(message)
                        self._changed.notify_all()
                    if self.answers_calls and message.kind.startswith("room.tool_call."):
                        await self.answer(message, message.header["arguments"], message.payload)
        except ConnectionClosed:
            pass
        finally:
            async with self._changed:
                self.is_closed = True
                self._changed.notify_all()

    def _assemble(self, frame: bytes) -> Message | None:
        number, index = int.from_bytes(frame[:8], "big"), int.from_bytes(frame[8:12], "big")
        if index == 0:
            assert self._partial is None, "a message begins inside another"
            total = int.from_bytes(frame[12:16], "big")
            self._partial = number, frame[16:].decode(), total, []
        else:
            assert self._partial is not None and self._partial[0] == number
            self._partial[3].append(frame[12:])
            assert index == len(self._partial[3])
        number, kind, total, slices = self._partial
        if len(slices) < total:
            return None
        self._partial = None
        body = b"".join(slices)
        end = 8 + int.from_bytes(body[:8], "big")
        return Message(number, kind, json.loads(body[8:end]), body[end:])

    async def until(self, holds: Callable[[], bool], what: str = "what was waited for") -> None:
        """Wait for messages until something holds; a connection that closes before is an error."""
        try:
            async with asyncio.timeout(WAIT_S_MAX), self._changed:
                await self._changed.wait_for(lambda: holds() or self.is_closed)
        except TimeoutError:
            raise AssertionError(f"never: {what}; received {self.received[-9:]}") from None
        assert holds(), f"closed ({self.socket.close_code}) before {what}"

    async def first(self, kind: str, after: int = 0, **wanted: Any) -> Message:
        """The first message of a kind whose header has what is wanted."""

        def found() -> list[Message]:
            return [
                it
                for it in self.received[after:]
                if it.kind == kind and all(it.header.get(k) == v for k, v in wanted.items())
            ]

        await self.until(lambda: bool(found()), f"{kind} with {wanted}")
        return found()[0]

    async def closed(self) -> tuple[int | None, str]:
        """Wait until the server has ended the connection: its code and reason, None for a cut."""
        async with asyncio.timeout(WAIT_S_MAX), self._changed:
            await self._changed.wait_for(lambda: self.is_closed)
        frame = self.socket.protocol.close_rcvd
        return (None, "") if frame is None else (frame.code, frame.reason)

    def of_kind(self, kind: str) -> list[Message]:
        return [each for each in self.received if each.kind == kind]

    def chunks(self, call: str) -> list[JSON]:
        """The contents of the stream that a call is answered with."""
        found = self.of_kind("room.tool_call_response_chunk")
        return [each.chunk for each in found if each.header["tool_call_id"] == call]

    async def over(self, call: str) -> list[JSON]:
        """Wait for the end of the stream that a call is answered with; all that came of it."""
        await self.until(lambda: CLOSE in self.chunks(call), f"the end of {call}")
        return self.chunks(call)

    # -- what goes

    async def send(self, kind: str, header: Any, payload: bytes = b"") -> int:
        """Send a message; return its number."""
        number = next(self.numbers)
        for each in packets(number, kind, pack(header, payload)):
            await self.socket.send(each)
        return number

    async def ask(self, kind: str, header: JSON, payload: bytes = b"") -> Message:
        """Send a message; return the answer."""
        number = await self.send(kind, header, payload)
        return await self.answer_to(number)

    async def answer_to(self, number: int) -> Message:
        def found() -> list[Message]:
            return [it for it in self.of_kind("__response__") if it.number == number]

        await self.until(lambda: bool(found()), f"the answer to {number}")
        return found()[0]

    async def begin(self, tool: str, arguments: JSON, call: str | None = None, **more: Any) -> int:
        """Call a tool, named with its toolkit; return the number of the message."""
        kit, _, name = tool.rpartition(".")
        header = {"toolkit": kit, "tool": name, "arguments": arguments, **more}
        return await self.send(
            "room.invoke_tool", header | ({"tool_call_id": call} if call else {})
        )

    async def invoke(self, tool: str, arguments: JSON | None = None, **more: Any) -> Message:
        """Call a tool with a JSON object; return the answer."""
        return await self.answer_to(await self.begin(tool, json_content(arguments or {}), **more))

    async def stream(self, call: str, chunk: JSON, payload: bytes = b"") -> None:
        """Send a content of a stream, which the server then confirms."""
        await self.answer_to(await self.stream_on(call, chunk, payload))

    async def stream_on(self, call: str, chunk: JSON, payload: bytes = b"") -> int:
        """Send a content of a stream; return the number of the message."""
        header = {"tool_call_id": call, "chunk": chunk}
        return await self.send("room.tool_call_request_chunk", header, payload)

    async def answer(self, asked: Message, content: JSON, payload: bytes = b"") -> None:
        """Answer a call of what it hosts."""
        for each in packets(asked.number, "room.tool_call_response", pack(content, payload)):
            await self.socket.send(each)

    async def emit(self, asked: Message, chunk: JSON, payload: bytes = b"") -> None:
        """Send a content of the stream that is its answer."""
        header = {"tool_call_id": asked.header["tool_call_id"], "chunk": chunk}
        body = pack(header, payload)
        for each in packets(asked.number, "room.tool_call_response_chunk", body):
            await self.socket.send(each)

    async def host(self, name: str, *tools: str, public: bool = True) -> str:
        """Offer a toolkit; return the id of the registration."""
        made = {"name": name, "public": public, "tools": {each: {} for each in tools}}
        answer = await self.ask("room.register_toolkit", made)
        identity: str = answer.header["json"]["id"]
        return identity

    async def round_trip(self) -> None:
        """Return once all that was sent was taken."""
        await self.ask("room.list_toolkits", {})

    # -- documents

    async def open(self, path: str, call: str, **start: Any) -> Message:
        """Open a document; return the message with its state."""
        await self.answer_to(await self.begin("sync.open", OPEN, call))
        await self.stream(call, binary({"kind": "start", "path": path, **start}))
        return await self.first("room.tool_call_response_chunk", tool_call_id=call)

    async def edit(self, call: str, update: bytes) -> None:
        await self.stream(call, binary({"kind": "sync"}), base64.b64encode(update))

    def updates(self, call: str) -> list[bytes]:
        """All updates that came of a document."""
        found = self.of_kind("room.tool_call_response_chunk")
        mine = [it for it in found if it.header["tool_call_id"] == call and "headers" in it.chunk]
        return [base64.b64decode(each.payload) for each in mine]

    async def close(self) -> None:
        await self.socket.close()
        await self._reader

    async def cut(self) -> None:
        """Drop the connection as a dead network does."""
        self.socket.transport.abort()
        await self._reader


def binary(headers: JSON) -> JSON:
    return {"type": "binary", "headers": headers}
