"""
Sessions that speak y-protocols: y-websocket 1 - 3, @y/websocket 4, the pycrdt Provider.

One socket has one document open. The client asks first (sync step 1); the answer brings the
document, the question what the server lacks, and everybody's presence. Where something is not
permitted the client is told by y-protocols' own message, once, and stays: only a bad token, a
document that it may not read and bytes that make no sense end the connection.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from syncroom.auth.paths import normalise
from syncroom.document.document import Outcome
from syncroom.errors import (
    Damaged,
    Denied,
    LimitExceeded,
    Malformed,
    NotFound,
    SyncroomError,
    TooManyParts,
    Unavailable,
)
from syncroom.logs import about
from syncroom.metrics import Fault, Part
from syncroom.protocol import yjs
from syncroom.protocol.frame import binary_frame
from syncroom.sessions.connection import (
    CLOSE_RESTART,
    close_by_fault,
    close_code,
    expire_later,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from syncroom.auth.participant import Participant
    from syncroom.auth.visitor import Visitor
    from syncroom.document.document import Change, Document
    from syncroom.document.peer import Wire
    from syncroom.room import Room
    from syncroom.rooms import Rooms
    from syncroom.sessions.connection import Connection

_log = logging.getLogger("syncroom.sessions.yjs")

_TURN_S = 0.02
"""When the messages of one frame have taken so long, others come in between."""

_SHORT = 122
"""Updates up to this length have a frame and a message of one length byte each."""

_HEADS = [bytes((0x82, size + 3, yjs.SYNC, yjs.UPDATE, size)) for size in range(_SHORT + 1)]


def _update_frame(update: bytes) -> bytes:
    if len(update) <= _SHORT:
        return _HEADS[len(update)] + update
    return binary_frame(yjs.update(update))


class YjsWire:
    """Frames with y-protocols messages."""

    def updates(self, updates: Sequence[bytes]) -> bytes:
        if len(updates) == 1:
            return _update_frame(updates[0])
        return b"".join(map(_update_frame, updates))

    def history(self, updates: Sequence[bytes]) -> bytes:
        return b"".join(map(self.answer, updates))

    def answer(self, update: bytes) -> bytes:
        return binary_frame(yjs.step_2(update))

    def presence(self, entries: bytes) -> bytes:
        return binary_frame(yjs.presence(entries))


_WIRE = YjsWire()
_KEEPALIVE = binary_frame(yjs.KEEPALIVE)

_PARTS = {
    (yjs.SYNC, yjs.STEP_1): Part.VECTOR,
    (yjs.SYNC, yjs.STEP_2): Part.UPDATE,
    (yjs.SYNC, yjs.UPDATE): Part.UPDATE,
    (yjs.AWARENESS, 0): Part.PRESENCE,
    (yjs.QUERY_AWARENESS, 0): Part.PRESENCE,
}

_UPDATE, _TAKEN = Part.UPDATE, Outcome.TAKEN
"""Found faster than members of their classes."""

_FAULTS: dict[type[SyncroomError], Fault] = {
    Malformed: Fault.MALFORMED,
    LimitExceeded: Fault.LIMIT,
    Denied: Fault.FOREIGN_ID,
    Unavailable: Fault.UNAVAILABLE,
}


def connect(
    connection: Connection, visitor: Visitor, participant: Participant, rooms: Rooms
) -> None:
    """Seat a new connection at a document, or refuse it before anything is loaded."""
    where = visitor.where | {"participant": participant.id, "name": participant.name}
    try:
        path = _document_path(visitor.path, rooms.limits.path_bytes_max)
        if not participant.may_read(path):
            raise Denied("the token does not permit to open this document")
        room = rooms.room(visitor.room)
        document = room.find(path)
        seat = partial(YjsSession, connection, room, participant, participant.may_write(path))
        if document is not None:
            seat(document)
            return
    except SyncroomError as error:
        refuse(connection, error, where)
        return
    connection.hold()
    room.load(path).add_done_callback(partial(_seat_loaded, connection, seat, where))


def _document_path(path: str, bytes_max: int) -> str:
    """The normalised path; one that can't be is as good as a document that is not there."""
    try:
        return normalise(path, bytes_max=bytes_max)
    except Malformed as error:
        raise NotFound(str(error)) from None


def refuse(
    connection: Connection,
    error: SyncroomError,
    who: dict[str, str],
    offender: str | None = None,
) -> None:
    """Tell why, and close with the code for it.

    Args:
        connection: the client.
        error: why.
        who: the client, for the log.
        offender: who is held longer each time that it is refused for this.
    """
    code = close_code(error)
    _log.info("refused a client: %s", error, extra=about(code=code, **who))
    connection.write(binary_frame(yjs.denied(str(error))))
    connection.dismiss(code, str(error), keepalive=_KEEPALIVE, offender=offender)


def _seat_loaded(
    connection: Connection,
    seat: Callable[[Document], YjsSession],
    who: dict[str, str],
    loading: asyncio.Task[Document],
) -> None:
    if not connection.is_open:
        return
    if loading.cancelled():
        connection.close(CLOSE_RESTART, "the server restarts")
        return
    error = loading.exception()
    if error is None:
        try:
            seat(loading.result())
        except SyncroomError as refusal:
            refuse(connection, refusal, who)
        else:
            connection.release()
    elif isinstance(error, SyncroomError):
        if isinstance(error, Damaged):
            _log.error("a document could not be loaded: %s", error)
        refuse(connection, error, who)
    else:
        close_by_fault(connection, error, who)


class YjsSession:
    """One socket, one document, one participant. It is a `Session` and a `Peer`."""

    __slots__ = (
        "_connection",
        "_document",
        "_expiry",
        "_has_asked",
        "_is_full",
        "_is_greeted",
        "_is_held",
        "_is_told",
        "_joined",
        "_lag_clients",
        "_lag_vector",
        "_may_write",
        "_metrics",
        "_part",
        "_room",
        "_taking",
        "_unconfirmed",
        "_waiting",
        "_write",
        "client_bytes",
        "client_id",
        "participant",
        "room_name",
        "written",
    )

    protocol: ClassVar[str] = "yjs"
    wire: Wire = _WIRE

    def __init__(
        self,
        connection: Connection,
        room: Room,
        participant: Participant,
        may_write: bool,
        document: Document,
    ) -> None:
        self.participant = participant
        self.room_name = room.name
        self.client_id: int | None = None
        self.client_bytes = b""
        self.written = 0
        self._connection = connection
        self._room = room
        self._document = document
        self._metrics = room.metrics
        self._may_write = may_write
        self._write = connection.write
        self._is_greeted = False
        """Whether it asked for the document; before that it hears nothing of others."""
        self._has_asked = False
        """Whether an answer to our sync step 1 is on its way."""
        self._is_told = False
        """Whether the client knows that what it writes is not accepted."""
        self._is_full = False
        """Whether it holds what the document has no room for: all that it adds builds on that."""
        self._lag_vector: bytes | None = None
        """While the client reads too slowly: the state vector up to which it was sent all."""
        self._lag_clients: set[int] = set()
        """Who was present when it began to lag."""
        self._unconfirmed = bytearray()
        """Its own updates that came on disk meanwhile."""
        self._is_held = False
        """Whether nothing is read from it before it reads these."""
        self._waiting: Iterator[yjs.Message] = iter(())
        """What is still to be taken of a frame."""
        self._part = Part.FRAME
        """What of a frame is being taken."""
        self._taking: asyncio.Task[None] | None = None
        """While a large update is taken."""
        room.join(document, self)
        self._joined = time.monotonic()
        self._expiry = expire_later(self, participant.expires_at)
        connection.session = self
        _log.info("joined", extra=about(**self._who()))

    @property
    def is_lagging(self) -> bool:
        """Whether the client reads slower than it is sent to."""
        return self._lag_vector is not None

    def receive(self, message: bytes) -> None:
        """Take one frame, which may hold several messages."""
        if message[:2] == b"\0\2" and len(message) > 3 and message[2] == len(message) - 3:
            try:
                self._update(message[3:], live=True)
            except TooManyParts:
                self._take_apart(message[3:], live=True)
            except SyncroomError as error:
                self.fail(error, _UPDATE)
            except Exception as error:
                self._break(error)
            return
        self._waiting = yjs.read_messages(message)
        self._take_waiting()

    def fail(self, error: SyncroomError, part: Part = Part.FRAME) -> None:
        """Leave the document, and refuse the client."""
        self.end()
        offender = None
        if isinstance(error, (Malformed, LimitExceeded)):
            offender = self.participant.id
            self._metrics.refused[part, _FAULTS[type(error)]] += 1
        refuse(self._connection, error, self._who(), offender)

    def deliver(self, data: bytes) -> None:
        """Send what others did, unless an answer comes later that holds it."""
        if self._lag_vector is None and self._is_greeted:
            self._write(data)
        else:
            self._metrics.bytes_spared += len(data)

    def confirm(self, data: bytes) -> None:
        """Return its own updates: at once, or when the client reads again."""
        if self._lag_vector is None:
            self._write(data)
            return
        self._unconfirmed += data
        if len(self._unconfirmed) > self._room.limits.outbox_bytes_max and not self._is_held:
            self._is_held = True
            self._connection.hold()

    def keep_alive(self) -> None:
        """Send a message: providers close what was silent for 30 s."""
        if self._lag_vector is None:
            self._write(_KEEPALIVE)

    def resync(self) -> None:
        """Ask for what was refused while the disk failed, or while there was no room for it."""
        if self._may_write and self._is_told:
            self._is_told = self._is_full = False
            self._ask()

    def pause(self) -> None:
        """Remember from where on the client lags: it is sent first what the vector counts in."""
        self._document.flush()
        self._lag_vector = self._document.vector()
        self._lag_clients = self._document.present_clients()
        self._metrics.lags += 1

    def resume(self) -> None:
        """Send what the client missed, as one update."""
        vector, self._lag_vector = self._lag_vector, None
        if vector is not None:
            document = self._document
            answer = document.answer(self.wire, vector)
            self._send(answer + document.everyone(self, self._lag_clients))
            confirmed, self._unconfirmed = bytes(self._unconfirmed), bytearray()
            if confirmed:
                self.confirm(confirmed)
            if self._is_held and self._lag_vector is None:
                self._is_held = False
                self._connection.release()

    def restart(self) -> None:
        """Close with the code after which providers come back."""
        self._connection.close(CLOSE_RESTART, "the server restarts")

    def end(self) -> None:
        """Leave the document."""
        if self._connection.session is self:
            self._connection.session = None
            if self._taking is not None:
                self._taking.cancel()
            if self._expiry is not None:
                self._expiry.cancel()
            self._room.leave(self._document, self)
            seconds = round(time.monotonic() - self._joined, 3)
            spent = about(
                **self._who(),
                seconds=seconds,
                updates=self.written,
                bytes=self._connection.bytes_in,
            )
            _log.info("left", extra=spent)

    def _take_waiting(self) -> None:
        try:
            self._work()
        except SyncroomError as error:
            self.fail(error, self._part)
        except Exception as error:
            self._break(error)

    def _work(self) -> None:
        """Take the messages of a frame, the rest of them later where they take long."""
        allowances, who = self._room.allowances, self.participant.id
        began = time.perf_counter()
        self._part = Part.FRAME
        while True:
            now = time.perf_counter()
            rest_s = allowances.rest_s(who, now)
            if rest_s > 0 or now - began > _TURN_S:
                self._put_off(rest_s)
                return
            message = next(self._waiting, None)
            if message is None:
                return
            self._part = _PARTS[message.kind, message.step]
            try:
                self._take(message)
            except TooManyParts:
                self._take_apart(message.body, live=message.step == yjs.UPDATE)
                return
            finally:
                ended = time.perf_counter()
                allowances.spend(who, ended - now, ended)
            self._part = Part.FRAME

    def _put_off(self, rest_s: float) -> None:
        if rest_s > 0:
            self._metrics.rests += 1
            _log.debug("took its processor time", extra=about(**self._who()))
        self._connection.hold()
        asyncio.get_running_loop().call_later(max(0.0, rest_s), self._go_on)

    def _go_on(self) -> None:
        """Take what was put off."""
        if self._connection.session is not self:
            return
        self._take_waiting()
        self._connection.release()

    def _take_apart(self, data: bytes, *, live: bool) -> None:
        """Read nothing more of the client before a large update of it is taken."""
        self._connection.hold()
        self._taking = asyncio.get_running_loop().create_task(self._take_parts(data, live=live))
        self._taking.add_done_callback(self._taken)

    async def _take_parts(self, data: bytes, *, live: bool) -> None:
        async with aclosing(self._room.large.parts(data)) as parts:
            async for part in parts:
                self._update(part, live=live)
                self._document.flush()

    def _taken(self, taking: asyncio.Task[None]) -> None:
        """Go on after a large update, or refuse it."""
        self._taking = None
        error = None if taking.cancelled() else taking.exception()
        if self._connection.session is not self:
            return
        if error is None:
            self._go_on()
        elif isinstance(error, SyncroomError):
            self.fail(error, _UPDATE)
        else:
            self._break(error)

    def _break(self, error: BaseException) -> None:
        self.end()
        close_by_fault(self._connection, error, self._who())

    def _who(self) -> dict[str, str]:
        """The client, for the log."""
        return {
            "room": self._room.name,
            "path": self._document.path,
            "address": self._connection.address,
            "participant": self.participant.id,
            "name": self.participant.name,
        }

    def _take(self, message: yjs.Message) -> None:
        kind, step, body = message
        if kind == yjs.AWARENESS:
            self._document.present(self, body)
        elif kind == yjs.QUERY_AWARENESS:
            if self._lag_vector is None:
                self._send(self._document.everyone(self))
        elif step == yjs.STEP_1:
            self._answer(body)
        else:
            self._update(body, live=step == yjs.UPDATE)

    def _send(self, data: bytes) -> None:
        self._metrics.bytes_out += len(data)
        self._write(data)

    def _answer(self, vector: bytes) -> None:
        """Answer sync step 1; the first time with our own question and everybody's presence."""
        clocks = self._document.read_vector(vector)
        if self._lag_vector is not None and self._is_greeted:
            self._lag_vector = vector
            return
        document = self._document
        if not self._is_greeted and document.is_of_deleted(clocks):
            raise NotFound("the document that you have was deleted; a new one begins empty")
        answer = document.answer(self.wire, vector, clocks)
        if self._is_greeted:
            self._send(answer)
            return
        self._is_greeted = True
        answer += document.everyone(self)
        if self._may_write:
            self._ask(answer)
            return
        self._send(answer)
        if document.lacks(clocks):
            self._tell("this document is read only for you: what you changed is not saved")

    def _update(self, change: Change, *, live: bool) -> None:
        """Take an update, or one of the parts of a large one; raises `TooManyParts`."""
        if not self._may_write:
            self._metrics.refused[Part.UPDATE, Fault.READ_ONLY] += 1
            self._tell("this document is read only for you: what you change is not saved")
            return
        if not live:
            self._has_asked = False
        try:
            if isinstance(change, bytes):
                outcome = self._document.accept(self, change, live=live)
            else:
                outcome = self._document.accept_part(self, change, live=live)
        except (Denied, Unavailable) as error:
            self._metrics.refused[Part.UPDATE, _FAULTS[type(error)]] += 1
            self._tell(str(error))
            return
        if outcome is _TAKEN:
            return
        if outcome is Outcome.GAP:
            self._metrics.gaps += 1
            if live and not self._has_asked and not self._is_full:
                self._ask()
        elif outcome is Outcome.FULL:
            self._metrics.refused[Part.UPDATE, Fault.FULL] += 1
            self._is_full = True
            self._tell("this document is as large as it may be: what you add is not saved")

    def _ask(self, first: bytes = b"") -> None:
        """Send our sync step 1, once all that it says we have is on disk: it is taken for saved.

        Args:
            first: what is sent in any case before it.
        """
        self._has_asked = True
        document = self._document
        document.flush()
        question = binary_frame(yjs.step_1(document.vector()))
        if not document.unsaved:
            self._send(first + question)
            return
        if first:
            self._send(first)
        document.when_saved(partial(self._send_question, question))

    def _send_question(self, question: bytes) -> None:
        if self._connection.session is self:
            self._send(question)

    def _tell(self, reason: str) -> None:
        """Say once that something was not accepted."""
        if not self._is_told:
            self._is_told = True
            _log.debug("told a client: %s", reason, extra=about(**self._who()))
            self._send(binary_frame(yjs.denied(reason)))
