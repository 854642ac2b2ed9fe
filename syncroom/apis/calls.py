"""
Calls of tools, from the question to the last answer.

A call that streams reads what its caller sends and writes what it likes, each until it says that
it has done. A caller that leaves ends its calls; a host that leaves fails those it was asked to
answer.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import secrets
from collections import deque
from typing import TYPE_CHECKING, Any

from syncroom.apis.base import OPERATION_FAILED
from syncroom.errors import LimitExceeded, Malformed, SyncroomError
from syncroom.logs import about
from syncroom.protocol.meshagent import (
    CLOSE,
    EMPTY,
    HOST_CALL,
    OPEN,
    REQUEST_CHUNK,
    RESPONSE_CHUNK,
    Content,
    error_content,
    json_content,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from syncroom.apis.base import Caller, Reply, Tool, Toolkit

_log = logging.getLogger("syncroom.apis")

_WAITING_MAX = 10_000
"""Contents of one stream, sent and not read yet."""


class Call:
    """One call, on the side of its caller.

    Args:
        caller: who asks.
        call_id: what the caller named the call.
        answer: sends the one answer.
        on_end: called once, when nothing more will be answered.
    """

    def __init__(
        self,
        caller: Caller,
        call_id: str,
        answer: Callable[[Content], None],
        on_end: Callable[[], object],
    ) -> None:
        self.caller = caller
        self.id = call_id
        self.take: Callable[[Content], None] = _pass_over
        """Takes what the caller sends."""
        self.abandon: Callable[[], object] = _do_nothing
        """Called when the caller is gone."""
        self.is_open = False
        """Whether its answer is a stream."""
        self.is_over = False
        self.unread = 0
        """Bytes that its caller sent and nobody has read yet."""
        self._answer = answer
        self._on_end = on_end

    def answer(self, content: Content) -> None:
        """Answer, once; with `OPEN`, what is emitted follows."""
        if self.is_over or self.is_open:
            return
        self._answer(content)
        if content.is_open:
            self.is_open = True
        else:
            self._end()

    def emit(self, content: Content) -> None:
        """Send a content of the stream that is the answer; a closing one is the last."""
        if self.is_over:
            return
        header = {"tool_call_id": self.id, "chunk": content.header}
        self.caller.send(RESPONSE_CHUNK, header, content.payload)
        if content.is_close:
            self._end()

    def fail(self, text: str, number: int) -> None:
        """Answer with an error, or end the stream with it."""
        error = error_content(text, number)
        if self.is_open:
            self.emit(error)
            self.emit(CLOSE)
        else:
            self.answer(error)

    def finish(self, reply: Reply) -> None:
        """Answer with what a tool returned, or end the stream after it."""
        if not self.is_open:
            self.answer(_content(reply))
            return
        if reply is not None:
            self.emit(_content(reply))
        self.emit(CLOSE)

    def _end(self) -> None:
        self.is_over = True
        take, self.take = self.take, _pass_over
        take(CLOSE)
        self._on_end()


class Stream:
    """What a call that streams reads and writes; iterate to read."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self._waiting: deque[Content] = deque()
        self._error: SyncroomError | None = None
        self._is_closed = False
        self._news = asyncio.Event()

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Content:
        while not self._waiting:
            if self._error is not None:
                raise self._error
            if self._is_closed:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        content = self._waiting.popleft()
        self._hold_back(-_size(content))
        return content

    def take(self, content: Content) -> None:
        """Let a content be read; a closing one ends what is read."""
        if content.is_close:
            self._is_closed = True
            if self.call.is_over:
                self._forget()  # nobody will read it
        elif not self._is_closed:
            self._waiting.append(content)
            has_room = self._hold_back(_size(content))
            if not has_room or len(self._waiting) > _WAITING_MAX:
                self._forget()
                self.fail(LimitExceeded("more was sent to a stream than is read; send slower"))
        self._news.set()

    def fail(self, error: SyncroomError) -> None:
        """Let the tool that reads raise an error."""
        self._error = error
        self._is_closed = True
        self._news.set()

    async def send(self, content: Content) -> None:
        """Write; waits while the caller reads slower than it is sent to."""
        await self.call.caller.drained()
        self.call.emit(content)

    def open(self) -> None:
        """Say that the stream is open; for tools that open late."""
        self.call.answer(OPEN)

    async def over(self) -> None:
        """Wait until the call is over, by whomever it is ended."""
        while not self.call.is_over:
            self._news.clear()
            await self._news.wait()

    def _forget(self) -> None:
        self._hold_back(-self.call.unread)
        self._waiting.clear()

    def _hold_back(self, change: int) -> bool:
        self.call.unread += change
        return self.call.caller.hold_back(change)


class HostedCall:
    """One call, on the side of the participant that hosts the toolkit.

    Args:
        call: the same, on the side of its caller.
        host: who is asked.
        toolkit: the toolkit, as the host registered it.
        tool: the tool.
        arguments: what the tool is given.
        on_behalf_of_id: the participant for whom the caller acts, if it says so.
        registration_id: of the toolkit, if the host registered it.
    """

    def __init__(
        self,
        call: Call,
        host: Caller,
        toolkit: str,
        tool: str,
        arguments: Content,
        on_behalf_of_id: str | None = None,
        registration_id: str = "",
    ) -> None:
        self.call = call
        self.registration_id = registration_id
        self._host = host
        self._toolkit = toolkit
        self.id = secrets.token_hex(16)  # ids of two callers may be the same
        header = {
            "name": tool,
            "caller_id": call.caller.id,
            "on_behalf_of_id": on_behalf_of_id,
            "tool_call_id": self.id,
            "arguments": arguments.header,
        }
        self._number = host.send(f"{HOST_CALL}.{toolkit}", header, arguments.payload)
        host.hosted[self._number] = self

    def link(self) -> None:
        """Pass on all that the caller sends from now on."""
        self.call.take = self.forward
        self.call.abandon = self.abandon

    def forward(self, content: Content) -> None:
        """Pass on what the caller sends."""
        header = {"tool_call_id": self.id, "chunk": content.header}
        self._host.send(f"{REQUEST_CHUNK}.{self._toolkit}", header, content.payload)

    def answer(self, content: Content) -> None:
        """Take the host's answer; there is one."""
        if self.call.is_open:
            return
        if not content.is_open:
            self.release()
        self.call.answer(content)

    def emit(self, content: Content) -> None:
        """Take a content of the host's stream."""
        if not self.call.is_open:
            self.release()
            self.call.fail("the host of the tool streams without an answer", OPERATION_FAILED)
        elif content.is_close:
            self.release()
        self.call.emit(content)

    def abandon(self) -> None:
        """Tell the host that its caller is gone."""
        if self._number in self._host.hosted:
            self.release()
            self.forward(CLOSE)

    def lose_host(self, why: str = "the participant that hosts the tool left the room") -> None:
        """Tell the caller that nobody will answer."""
        self.release()
        self.call.fail(why, OPERATION_FAILED)

    def release(self) -> None:
        """Expect nothing more of the host, and tell it nothing more."""
        self._host.hosted.pop(self._number, None)
        if self.call.take == self.forward:
            self.call.take = _pass_over


def start(toolkit: Toolkit, tool: Tool, call: Call, arguments: Content) -> None:
    """Run a tool: at once where it need not wait, else as a task that ends with its caller."""
    try:
        toolkit.check(call.caller)
        if tool.streams:
            work: Any = _run_stream(toolkit, tool, call, arguments)
        else:
            work = tool.run(toolkit, call.caller, toolkit.request_of(tool, call.caller, arguments))
    except Exception as error:
        _fail(toolkit, tool, call, error)
        return
    if inspect.iscoroutine(work):
        # the task is kept alive by its own method, as long as the call is
        task = asyncio.get_running_loop().create_task(_finish(toolkit, tool, call, work))
        task.add_done_callback(lambda _: work.close())  # it may end before it began
        call.abandon = task.cancel
    else:
        call.finish(work)


def _run_stream(
    toolkit: Toolkit, tool: Tool, call: Call, arguments: Content
) -> Coroutine[Any, Any, Reply]:
    stream = Stream(call)
    call.take = stream.take
    if arguments.is_open and not tool.begins_at_once:
        if not tool.opens_late:
            stream.open()
        return _read_on(toolkit, tool, stream)
    request = toolkit.request_of(tool, call.caller, EMPTY if arguments.is_open else arguments)
    stream.open()
    if not arguments.is_open:
        stream.take(CLOSE)
    work: Coroutine[Any, Any, Reply] = tool.run(toolkit, call.caller, request, stream)  # type: ignore[assignment]
    return work


async def _read_on(toolkit: Toolkit, tool: Tool, stream: Stream) -> Reply:
    """Run a tool whose request is the first content of its stream."""
    try:
        first = await anext(stream)
    except StopAsyncIteration:
        raise Malformed("the stream ended before it said what it is for") from None
    caller = stream.call.caller
    request = toolkit.request_of(tool, caller, first)
    work: Awaitable[Reply] = tool.run(toolkit, caller, request, stream)  # type: ignore[assignment]
    return await work


async def _finish(toolkit: Toolkit, tool: Tool, call: Call, work: Awaitable[Reply]) -> None:
    try:
        call.finish(await work)
    except Exception as error:
        _fail(toolkit, tool, call, error)


def _fail(toolkit: Toolkit, tool: Tool, call: Call, error: Exception) -> None:
    if isinstance(error, SyncroomError):
        call.fail(str(error), toolkit.number(error))
        return
    incident = secrets.token_hex(4)
    where = about(participant=call.caller.participant.id, tool=f"{toolkit.name}.{tool.name}")
    _log.error("incident %s", incident, exc_info=error, extra=where)
    call.fail(f"internal error, incident {incident}", OPERATION_FAILED)


def _size(content: Content) -> int:
    """About what a content takes while it waits, in bytes."""
    return len(content.payload) + len(str(content.header))


def _content(reply: Reply) -> Content:
    if reply is None:
        return EMPTY
    return reply if isinstance(reply, Content) else json_content(reply)


def _pass_over(content: Content) -> None:
    """What comes after the end is nobody's."""


def _do_nothing() -> None:
    """There is nothing to end."""
