"""
Queues of messages, each of which exactly one receiver gets.  State: `.room/queues`.
Grant: `queues`.

A message that was sent is on disk before its sender hears so, and off it before its receiver gets
it: at most once. One whose receiver is gone by then goes back to the front. Who waits for messages
costs nothing, and is served in the order of asking.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, JsonValue

from syncroom.apis.base import Caller, Request, Toolkit, tool
from syncroom.apis.live_map import LiveMap
from syncroom.apis.read_once import ReadOnce
from syncroom.errors import LimitExceeded, NotFound, SyncroomError
from syncroom.protocol.meshagent import EMPTY, Content, json_content
from syncroom.store.base import Item

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from syncroom.apis.base import Permits
    from syncroom.auth.participant import Participant
    from syncroom.auth.scopes import QueuesGrant
    from syncroom.limits import Limits

    Said = dict[str, JsonValue] | str
    Message = tuple[int, Said]
    """Its number in its queue, and what it says."""

    Load = Callable[[], Awaitable[Sequence[Item]]]
    Keep = Callable[[Sequence[Item], Sequence[tuple[str, int]]], Awaitable[None]]
    """Writes items, and takes others away; returns when that is on disk."""

_log = logging.getLogger("syncroom.apis.queues")

_MARK = 0
"""The number of the item that says that a queue is there; messages count from 1."""

_MESSAGE_BYTES = 256
"""What a message takes in memory beside its bytes: it counts also where it says nothing."""


class Named(Request):
    """A queue."""

    name: str = Field(min_length=1, max_length=512)


def _check_said(value: object) -> object:
    if not isinstance(value, (dict, str)):
        raise ValueError("a message is an object or a text")
    return value


class Send(Named):
    """A message for whoever receives next."""

    message: Annotated[dict[str, JsonValue] | str, BeforeValidator(_check_said)]
    create: bool = True


class Receive(Named):
    """The next message, or one that is still to come."""

    create: bool = True
    wait: bool = True


class _Queue:
    """The messages of one queue, and who waits for one."""

    def __init__(self) -> None:
        self.messages: deque[Message] = deque()
        self.waiting: deque[asyncio.Future[Message | None]] = deque()
        self.stored: dict[int, int] = {}
        """The number and cost of each message that is on disk, or on its way there or off it."""
        self.stored_bytes = 0
        self.next_number = _MARK + 1

    def hold(self, number: int, size: int) -> None:
        """Count a message of so many bytes."""
        self.stored[number] = size + _MESSAGE_BYTES
        self.stored_bytes += self.stored[number]

    def let_go(self, number: int) -> None:
        """Count it no more."""
        self.stored_bytes -= self.stored.pop(number, 0)

    def hand_out(self) -> None:
        """Give messages to those who wait, first come, first served."""
        while self.messages and self.waiting:
            receiver = self.waiting.popleft()
            if not receiver.done():
                receiver.set_result(self.messages.popleft())


def _has(right: Callable[[QueuesGrant, str], bool]) -> Permits:
    def permits(participant: Participant, request: Named) -> bool:
        queues = participant.scope.queues if participant.scope is not None else None
        return queues is not None and right(queues, request.name)

    return permits


_may_send = _has(lambda queues, name: queues.can_send(name))
_may_receive = _has(lambda queues, name: queues.can_receive(name))
_may_use = _has(lambda queues, name: queues.can_send(name) or queues.can_receive(name))


def _may_list(participant: Participant, request: Request) -> bool:
    queues = participant.scope.queues if participant.scope is not None else None
    return queues is not None and queues.list


class Queues(Toolkit):
    """The queues of one room.

    Args:
        load: reads what was kept.
        keep: writes items, and takes others away.
        limits: the bounds of the server.
    """

    name: ClassVar = "queues"
    grant: ClassVar = "queues"
    numbers: ClassVar = {NotFound: 5001}
    map: LiveMap

    def __init__(self, load: Load, keep: Keep, limits: Limits) -> None:
        self._kept = ReadOnce(self._read)
        self.map = LiveMap(".room/queues", self._shown, self._kept.begin)
        self._load = load
        self._keep = keep
        self._limits = limits
        self._queues: dict[str, _Queue] = {}
        self._returns: set[asyncio.Task[None]] = set()
        """Messages on their way back to the disk."""

    @tool(Request, _may_list)
    async def list(self, caller: Caller, request: Request) -> dict[str, Any]:
        """List the queues, with how many messages nobody has received."""
        await self._kept.done()
        sizes = [{"name": name, "size": len(it.messages)} for name, it in self._queues.items()]
        return {"queues": sizes}

    @tool(Named, _may_use)
    async def open(self, caller: Caller, request: Named) -> None:
        """Make a queue, where there is none."""
        await self._find(request.name, create=True)

    @tool(Send, _may_send)
    async def send(self, caller: Caller, request: Send) -> None:
        """Put a message at the end; it is on disk when that is answered."""
        queue = await self._find(request.name, create=request.create)
        # to its end, also if the sender leaves: what is on disk and what is known here are the same
        await asyncio.shield(asyncio.ensure_future(self._put(queue, request)))

    @tool(Receive, _may_receive)
    async def receive(self, caller: Caller, request: Receive) -> Content:
        """Take the first message; nothing, where there is none and the caller does not wait."""
        queue = await self._find(request.name, create=request.create)
        message = await self._next(queue, request)
        if message is None:
            return EMPTY
        number, value = message
        removal = asyncio.ensure_future(self._keep((), [(request.name, number)]))
        try:
            await asyncio.shield(removal)
        except asyncio.CancelledError:  # the receiver is gone, and gets no answer any more
            self._give_back(queue, request.name, message)
            raise
        except SyncroomError:
            self._return(queue, request.name, message)
            raise
        queue.let_go(number)
        self._show(request.name)
        if isinstance(value, str):
            return Content({"type": "text", "text": value})
        return json_content(value)

    @tool(Named, _may_receive)
    async def drain(self, caller: Caller, request: Named) -> None:
        """Throw away what nobody has received."""
        queue = await self._find(request.name, create=False)
        dropped = list(queue.messages)
        queue.messages.clear()
        try:
            await self._keep((), [(request.name, number) for number, _ in dropped])
        except SyncroomError:
            queue.messages.extendleft(reversed(dropped))
            raise
        for number, _ in dropped:
            queue.let_go(number)
        self._show(request.name)

    @tool(Named, _may_use)
    async def close(self, caller: Caller, request: Named) -> None:
        """End a queue with its messages; who waits is told that there is none."""
        queue = await self._find(request.name, create=False)
        del self._queues[request.name]
        for receiver in queue.waiting:
            if not receiver.done():
                receiver.set_result(None)
        self.map.remove(request.name)
        try:
            await self._keep((), [(request.name, number) for number in (_MARK, *queue.stored)])
        except SyncroomError:  # it is on disk, and so it stays
            self._queues.setdefault(request.name, queue)
            self._show(request.name)
            raise

    async def _put(self, queue: _Queue, request: Send) -> None:
        """Put a message at the end of a queue, once it is on disk."""
        value = json.dumps(request.message).encode()
        self._check_room(queue, request.name, len(value))
        number = queue.next_number
        queue.next_number += 1
        queue.hold(number, len(value))
        try:
            await self._keep([Item(request.name, number, value)], ())
        except BaseException:
            queue.let_go(number)
            raise
        if self._queues.get(request.name) is not queue:
            raise _unknown(request.name)
        queue.messages.append((number, request.message))
        queue.hand_out()
        self._show(request.name)

    async def _next(self, queue: _Queue, request: Receive) -> Message | None:
        """The message that is the caller's; None where there is none for it."""
        if queue.messages and not queue.waiting:
            return queue.messages.popleft()
        if not request.wait:
            return None
        receiver: asyncio.Future[Message | None] = asyncio.get_running_loop().create_future()
        queue.waiting.append(receiver)
        queue.hand_out()
        self._show(request.name)
        try:
            return await asyncio.shield(receiver)
        except asyncio.CancelledError:
            message = receiver.result() if receiver.done() else None
            receiver.cancel()
            if receiver in queue.waiting:
                queue.waiting.remove(receiver)
            if message is not None:
                self._return(queue, request.name, message)
            self._show(request.name)
            raise

    def _give_back(self, queue: _Queue, name: str, message: Message) -> None:
        """Put a message that is going from the disk back to the front, there as well."""
        if self._queues.get(name) is not queue:
            return  # it was closed, with its messages
        number, value = message
        item = Item(name, number, json.dumps(value).encode())
        task = asyncio.get_running_loop().create_task(self._keep_again(item))
        self._returns.add(task)
        task.add_done_callback(self._returns.discard)
        self._return(queue, name, message)

    async def _keep_again(self, item: Item) -> None:
        try:
            await self._keep([item], ())
        except SyncroomError as error:
            _log.error("a message of queue %r is in memory only: %s", item.name, error)

    def _return(self, queue: _Queue, name: str, message: Message) -> None:
        """Put a message back to the front."""
        queue.messages.appendleft(message)
        queue.hand_out()
        self._show(name)

    async def _find(self, name: str, *, create: bool) -> _Queue:
        """The queue of a name; raises `NotFound` where there is none and none is to be made."""
        await self._kept.done()
        queue = self._queues.get(name)
        if queue is not None:
            return queue
        if not create:
            raise _unknown(name)
        if len(self._queues) >= self._limits.room_queues_max:
            allowed = self._limits.room_queues_max
            raise LimitExceeded(f"the room has {allowed} queues, as many as it may have")
        queue = self._queues[name] = _Queue()
        self._show(name)
        try:
            await self._keep([Item(name, _MARK, b"")], ())
        except SyncroomError:
            if self._queues.get(name) is queue and not queue.stored:
                del self._queues[name]
                self.map.remove(name)
            raise
        return queue

    async def _read(self) -> None:
        for name, number, value in await self._load():
            queue = self._queues.setdefault(name, _Queue())
            if number != _MARK:
                queue.messages.append((number, json.loads(value)))
                queue.hold(number, len(value))
                queue.next_number = number + 1
        for name in self._queues:
            self._show(name)

    def _check_room(self, queue: _Queue, name: str, size: int) -> None:
        held, allowed = queue.stored_bytes + size + _MESSAGE_BYTES, self._limits.queue_bytes_max
        if held > allowed:
            raise LimitExceeded(
                f"the queue {name!r} would hold {held} bytes, {allowed} are allowed; receive first"
            )

    def _show(self, name: str) -> None:
        if name in self._queues:
            self.map.set(name, _entry(self._queues[name]))

    def _shown(self) -> dict[str, dict[str, object]]:
        return {name: _entry(queue) for name, queue in self._queues.items()}


def _entry(queue: _Queue) -> dict[str, object]:
    waiting = sum(not receiver.done() for receiver in queue.waiting)
    return {"size": len(queue.messages), "receivers": waiting}


def _unknown(name: str) -> NotFound:
    return NotFound(f"there is no queue {name!r}")
