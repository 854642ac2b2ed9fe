"""
A document that is open: it takes updates in one order, relays them, and has them made durable.

Everything that arrives in one turn (`turns.py`) goes out at its end, as one write for each
peer. No update waits for a timer, a lock or a task. An update is relayed at once, and returned to
its writer when it is on disk.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

from syncroom.document.answers import Answers
from syncroom.document.growth import Growth
from syncroom.document.log import EMPTY_UPDATE, EMPTY_VECTOR, UpdateLog
from syncroom.document.owners import Owners
from syncroom.document.parked import ParkedUpdates
from syncroom.document.presence import Presence, is_echo
from syncroom.document.relay import give_back, relay
from syncroom.document.run import Run
from syncroom.document.state import DocumentState
from syncroom.errors import Denied, LimitExceeded, Malformed, TooManyParts, Unavailable
from syncroom.protocol import awareness, state_vector, varint
from syncroom.protocol.state_vector import CLOCK_MAX
from syncroom.protocol.update import read_keystroke, read_update
from syncroom.store.base import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from syncroom.document.log import Typing
    from syncroom.document.mesh_schema import MeshSchema
    from syncroom.document.peer import Peer, Wire
    from syncroom.document.turns import Turns
    from syncroom.limits import Limits
    from syncroom.metrics import Metrics
    from syncroom.protocol.awareness import Entry
    from syncroom.protocol.update import Keystroke, Update

    Change = bytes | Update
    """An update that was not vetted yet, or that was."""

    class Keep(Protocol):
        """Takes a record, and the document's schema once, and says when that is on disk."""

        def __call__(
            self, record: Record, durable: Callable[[], None], schema: str = "", /
        ) -> None: ...


class Outcome(Enum):
    """What became of an update."""

    TAKEN = auto()
    KNOWN = auto()
    GAP = auto()
    """Something that it builds on is missing; sync step 1 asks for it."""
    FULL = auto()
    """Nothing of it was taken: the document would be larger than is allowed."""


class Document:
    """One shared document of one room.

    Args:
        path: its normalised path.
        incarnation: the id of this history.
        keep: where records go to become durable; None for what only lives in memory.
        limits: the bounds of the server.
        metrics: where turns are counted.
        turns: when what arrived is passed on.
        now_ms: the time in milliseconds since 1970.
    """

    __slots__ = (
        "_answers",
        "_apart_bytes",
        "_failure",
        "_keep",
        "_kept",
        "_limits",
        "_log",
        "_metrics",
        "_now_ms",
        "_on_disk",
        "_owners",
        "_presence",
        "_readers",
        "_saved",
        "_shown",
        "_state",
        "_stored_bytes_max",
        "_turn",
        "_turn_began",
        "_turns",
        "_waiting",
        "ended",
        "growth",
        "incarnation",
        "on_growth",
        "parked",
        "path",
        "peers",
        "schema",
        "stored_bytes",
    )

    def __init__(
        self,
        path: str,
        incarnation: str,
        *,
        keep: Keep | None,
        limits: Limits,
        metrics: Metrics,
        turns: Turns,
        now_ms: Callable[[], int],
    ) -> None:
        self.path = path
        self.incarnation = incarnation
        self.schema: MeshSchema | None = None
        """What its content follows; None for documents of editors."""
        self.peers: set[Peer] = set()
        self._kept = 0
        """How many records were handed on to be stored."""
        self._on_disk = 0
        """How many of them are."""
        self._waiting: deque[tuple[int, Callable[[], None]]] = deque()
        """Who waits until so many are, in order."""
        self.ended: frozenset[int] = frozenset()
        """The client ids that wrote in documents of this path that were deleted."""
        self.stored_bytes = 0
        """The sum of its updates as they are stored."""
        self.growth = Growth(limits)
        self.on_growth: Callable[[], None] | None = None
        """Called when it has grown so far that compacting it is worth it."""
        self._failure: str | None = None
        self._keep = keep
        self._limits = limits
        self._stored_bytes_max = limits.document_bytes_max
        """Nothing may be stored while the disk fails: then it is below zero."""
        self._metrics = metrics
        self._turns = turns
        self._now_ms = now_ms
        self._state = DocumentState()
        self._log = UpdateLog()
        self._presence = Presence()
        self._owners = Owners()
        self._turn: list[Run] = []
        self._turn_began = 0.0
        self._apart_bytes = 0
        self._shown: dict[int, Entry] = {}
        self.parked = ParkedUpdates(limits.parked_bytes_max)
        self._saved: dict[Peer, list[bytes]] = {}
        self._answers = Answers(limits.answers_bytes_max)
        self._readers: dict[Wire, int] = {}
        """How many peers there are of each wire."""

    def restore(self, merged: bytes) -> None:
        """Begin with what the store kept. Raises `Malformed`."""
        update = read_update(merged, self._limits.value_depth_max)
        if self._state.gap(update) is not None:
            raise Malformed("something that it builds on is missing")
        self._state.apply(update)
        self._log = UpdateLog(update)

    def join(self, peer: Peer) -> None:
        """Let a peer hear what happens from now on."""
        self.peers.add(peer)
        self._readers[peer.wire] = self._readers.get(peer.wire, 0) + 1

    def leave(self, peer: Peer) -> None:
        """Let go of a peer, and tell the others at once that it left."""
        self.peers.remove(peer)
        self._readers[peer.wire] -= 1
        if not self._readers[peer.wire]:
            del self._readers[peer.wire]
        client = self._owners.release(peer)
        if client is not None:
            self._show(self._presence.leave(client, self._now_ms()))

    @property
    def is_new(self) -> bool:
        """Whether nobody ever put anything into it."""
        return self.schema is None and self._log.is_empty

    @property
    def unsaved(self) -> int:
        """Records on their way to the disk."""
        return self._kept - self._on_disk

    def when_saved(self, then: Callable[[], None]) -> None:
        """Have something called when all that was handed on to be stored is on disk."""
        if self.unsaved:
            self._waiting.append((self._kept, then))
        else:
            then()

    @property
    def bytes_max(self) -> int:
        """As many may be stored of it."""
        return self._limits.document_bytes_max

    def vector(self) -> bytes:
        """The state vector."""
        return state_vector.encode(self._state.clocks)

    def whole(self) -> bytes:
        """All of it as one update."""
        self.flush()
        return self._log.since(EMPTY_VECTOR)

    def read_vector(self, vector: bytes) -> dict[int, int]:
        """Vet the state vector of a peer; raises `Malformed`, `LimitExceeded`."""
        clients_max = self._limits.vector_clients_max + len(self._state.clocks)
        return state_vector.decode(vector, clients_max)

    def lacks(self, vector: dict[int, int]) -> bool:
        """Whether somebody with that state vector holds what the document does not."""
        clocks = self._state.clocks
        return any(clock > clocks.get(client, 0) for client, clock in vector.items())

    def is_of_deleted(self, vector: dict[int, int]) -> bool:
        """Whether somebody with that state vector holds a document that was deleted here."""
        ended = self.ended.difference(self._state.clocks)
        return any(clock and client in ended for client, clock in vector.items())

    def answer(self, wire: Wire, vector: bytes, held: Mapping[int, int] | None = None) -> bytes:
        """What somebody lacks who holds what a vetted state vector says, ready to be sent.

        Args:
            wire: how it is sent.
            vector: the state vector.
            held: the same, where it was read already.
        """
        self.flush()
        return self._answers.give(wire, vector, held, self._log)

    def accept(self, peer: Peer, data: bytes, *, live: bool) -> Outcome:
        """Take an update from a peer that may write.

        Args:
            peer: who sent it.
            data: a Yjs update, format v1, not vetted yet.
            live: whether it is a change just made, rather than the answer to sync step 1. Of an
                answer with a gap the ready part is taken; a change with a gap is not.

        Raises:
            Malformed: the bytes are no update that every implementation can hold.
            TooManyParts: they have to be taken apart first.
            LimitExceeded: they are more than one update may have.
            Denied: it writes under the client id of another participant who is here.
            Unavailable: what can't be stored is not accepted.
        """
        if self.stored_bytes + len(data) <= self._stored_bytes_max:
            if self._type_on(peer, data):
                return Outcome.TAKEN
            key = read_keystroke(data)
            if key is not None and self._type(peer, data, key):
                return Outcome.TAKEN
        elif self._failure is not None:
            raise Unavailable(f"nothing can be saved at present: {self._failure}")
        if data == EMPTY_UPDATE:  # what most clients have to add when they come back
            return Outcome.KNOWN
        return self._examine(peer, self._read(data), live=live)

    def accept_part(self, peer: Peer, part: Update, *, live: bool) -> Outcome:
        """Take one of the vetted parts of a large update; raises what `accept` does."""
        if self._failure is not None:
            raise Unavailable(f"nothing can be saved at present: {self._failure}")
        try:
            return self._examine(peer, part, live=live, is_part=True)
        except TooManyParts as error:  # a list of so many values, some of which are known
            raise LimitExceeded(str(error)) from None

    def _examine(self, peer: Peer, update: Update, *, live: bool, is_part: bool = False) -> Outcome:
        """Take an update that is more than a keystroke."""
        barred = self._barred(peer, update)
        if barred and live:
            raise Denied(f"client id {barred.pop()} belongs to another participant who is here")
        reached = self._state.gap(update, barred)
        if reached is not None:
            if live:
                return Outcome.GAP
            ready = self._state.ready_part(update, reached)
            update = read_update(ready, self._limits.value_depth_max)
        new = self._new_part(update)
        if new is not None:
            stored_bytes = self.stored_bytes + len(new.data)
            if new.sections and stored_bytes > self._stored_bytes_max:
                return Outcome.FULL  # what only deletes is taken: it is how a document shrinks
            self.stored_bytes = stored_bytes
            is_own = live and not is_part and len(new.sections) == 1
            if is_own and peer.client_id is None:
                self._owners.claim(peer, new.sections[0].client)
            self._state.apply(new)
            self._log.append(new)
            clients = [section.client for section in new.sections]
            self._run(peer, is_live=live).add(new.data, clients)
        if reached is not None:
            return Outcome.GAP
        return Outcome.KNOWN if new is None else Outcome.TAKEN

    @property
    def failure(self) -> str | None:
        """Why nothing can be stored at present; None when all is well."""
        return self._failure

    def knows(self, change: Change) -> bool:
        """Whether an update changes nothing here; raises `Malformed`, `LimitExceeded`."""
        update = self._read(change)
        return self._state.gap(update) is None and self._new_part(update) is None

    def park(self, peer: Peer, change: Change) -> None:
        """Keep an update until what it builds on comes, from whomever; raises `LimitExceeded`."""
        update = self._read(change)
        self.parked.add(peer, update.data, self._state.missing(update))
        self.count_gap()

    def hold_over(self, peer: Peer, change: Change) -> None:
        """Keep an update in memory until the disk works again; raises `LimitExceeded`."""
        data = change if isinstance(change, bytes) else change.data
        self.parked.add(peer, data, None, is_kept=False)

    def count_gap(self) -> None:
        """Count that somebody builds on what is missing here."""
        self._metrics.gaps += 1

    def set_failure(self, reason: str | None) -> None:
        """Take no updates while the disk fails; ask for the missed ones when it works again."""
        self._failure = reason
        self._stored_bytes_max = -1 if reason else self._limits.document_bytes_max
        if reason is None:
            self.heal()
            self._ask_again()

    def publish(self, data: bytes) -> None:
        """Take an update that the server itself made."""
        update = read_update(data, self._limits.value_depth_max)
        self._state.apply(update)
        self._log.append(update)
        self._run(None).add(data, ())

    def set_schema(self, schema: MeshSchema, participant: str) -> None:
        """Say what the content follows from now on; once only, with a record of its own.

        Args:
            schema: what it follows.
            participant: the id of who says so.

        Raises:
            Unavailable: what can't be stored is not accepted.
        """
        assert self.schema is None and self._keep is not None
        if self._failure is not None:
            raise Unavailable(f"nothing can be saved at present: {self._failure}")
        self.schema = schema
        self.stored_bytes += len(EMPTY_UPDATE)
        self._kept += 1
        record = Record(self._now_ms(), participant, (), (EMPTY_UPDATE,))
        self._keep(record, partial(self._durable, None, b"", None), schema.text)

    def begin_compaction(self) -> None:
        """Hand on all that is here to be stored, and keep it apart from what comes."""
        self.flush()
        self._log.set_apart()
        self._apart_bytes = self.stored_bytes

    def end_compaction(self, base: Update | None) -> None:
        """Go on with a base that does what was here when compaction began; None: as before."""
        self._log.rejoin(base)
        if base is not None:
            self.stored_bytes += len(base.data) - self._apart_bytes
            self._ask_again()  # there may be room now for what was refused
            self.growth.rebase(len(base.data))

    def present(self, peer: Peer, data: bytes) -> None:
        """Take an awareness update from a peer; raises `Malformed`, `LimitExceeded`.

        A peer speaks for one client id, its own. What it says of others is passed over, neither a
        claim nor an offence: y-websocket repeats all that it hears.
        """
        for entry in awareness.decode(data):
            if peer.client_id is None and not is_echo(entry) and entry.state != awareness.GONE:
                self._owners.claim(peer, entry.client)
            if entry.client == peer.client_id:
                self._take_presence(peer, entry)

    def present_clients(self) -> set[int]:
        """The client ids of all that are present."""
        return self._presence.clients()

    def everyone(self, peer: Peer, known: Iterable[int] = ()) -> bytes:
        """The states of all but a peer itself, ready to be sent to it; empty if there are none.

        Args:
            peer: who asks.
            known: who was present when it last heard, if it learns which of them left.
        """
        entries = self._presence.everyone(self._now_ms(), without=peer.client_id, known=known)
        return peer.wire.presence(awareness.encode(entries)) if entries else b""

    def flush(self) -> None:
        """Hand on what arrived in this turn to be stored, and relay it.

        It is handed on first: whatever goes wrong after that, nothing is served that is not saved.
        """
        turn, shown = self._turn, self._shown
        if not turn and not shown:
            return
        self._turn, self._shown = [], {}
        if turn:
            self._answers.forget()
        for run in turn:
            run.encode(self._readers)
            if self._keep is not None:
                self._store(self._keep, run, self._turn_began if run is turn[-1] else None)
        self._metrics.bytes_out += relay(self.peers, self._readers, turn, shown)
        if turn:
            self._count(turn)
            if self.parked:
                self.heal()

    def _read(self, change: Change) -> Update:
        limits = self._limits
        if not isinstance(change, bytes):
            return change
        if len(change) > limits.update_bytes_max:
            raise LimitExceeded(
                f"an update has {len(change)} bytes, {limits.update_bytes_max} are allowed"
            )
        return read_update(change, limits.value_depth_max, limits.update_parts_max)

    def _new_part(self, update: Update) -> Update | None:
        limits = self._limits
        return self._state.new_part(update, limits.value_depth_max, limits.update_parts_max)

    def heal(self) -> None:
        """Take what was parked, as far as what it builds on is here by now."""
        healed = []
        for each in self.parked.waiting:
            if each.missing is not None and not self._state.has(each.missing):
                continue
            update = read_update(each.data, self._limits.value_depth_max)
            if self._examine(each.peer, update, live=False) in (Outcome.GAP, Outcome.FULL):
                each.missing = self._state.missing(update)
            else:
                healed.append(each)
        self.parked.drop(healed)

    def _ask_again(self) -> None:
        """Ask the peers for what was refused."""
        for peer in self.peers:
            peer.resync()

    def _type_on(self, peer: Peer, data: bytes) -> bool:
        """Take the next letter that a peer types: all bytes of it but the letter are known."""
        client = peer.client_id
        if client is None:
            return False
        clock = self._state.clocks.get(client, 0)
        typing = self._log.type_on(peer.client_bytes, clock, data)
        if typing is not None:
            self._take_letters(peer, client, typing, data, 1)
        return typing is not None

    def _type(self, peer: Peer, data: bytes, key: Keystroke) -> bool:
        """Take a keystroke that goes on where its writer's history ends."""
        client_bytes, clock, left, left_clock, right, right_clock, text = key
        clocks = self._state.clocks
        client = peer.client_id
        if client_bytes != peer.client_bytes or client is None or clocks.get(client) != clock:
            return False
        if len(text) > CLOCK_MAX - clock:
            return False
        if left_clock >= (clock if left == client_bytes else clocks.get(_client(left), 0)):
            return False
        if right is not None and right_clock >= clocks.get(_client(right), 0):
            return False
        self._take_letters(peer, client, self._log.type(data, key), data, len(text))
        return True

    def _take_letters(
        self, peer: Peer, client: int, typing: Typing, data: bytes, count: int
    ) -> None:
        goes_on = self._run(peer).type(typing, client, data, count)
        self._state.clocks[client] = typing.until
        self.stored_bytes += count if goes_on else len(data)

    def _barred(self, peer: Peer, update: Update) -> set[int]:
        """The client ids with new structs in an update that belong to another participant."""
        clocks = self._state.clocks
        return {
            section.client
            for section in update.sections
            if section.end > clocks.get(section.client, 0)
            and self._owners.is_foreign(peer, section.client)
        }

    def _take_presence(self, peer: Peer, entry: Entry) -> None:
        size = len(entry.state.encode())
        if size > self._limits.presence_bytes_max:
            raise LimitExceeded(
                f"a presence state has {size} bytes, {self._limits.presence_bytes_max} are allowed"
            )
        state = awareness.read_state(entry.state, self._limits.value_depth_max)
        if state is None:
            self._show(self._presence.leave(entry.client, self._now_ms()))
        else:
            self._show(self._presence.show(entry.client, state, peer.participant, self._now_ms()))

    def _run(self, peer: Peer | None, *, is_live: bool = True) -> Run:
        """What a peer sends in this turn, after what others sent."""
        turn = self._turn
        if not turn:
            self._turn_began = perf_counter()
            self._turns.at_end(self.flush)
        elif turn[-1].peer is peer and turn[-1].is_live is is_live:
            return turn[-1]
        turn.append(Run(peer, is_live))
        return turn[-1]

    def _show(self, entry: Entry | None) -> None:
        if entry is not None:
            if not self._shown:
                self._turns.at_end(self.flush)
            self._shown[entry.client] = entry

    def _count(self, turn: list[Run]) -> None:
        """Count a turn that was relayed."""
        metrics, peers = self._metrics, self.peers
        metrics.fan_out.observe(perf_counter() - self._turn_began)
        for run in turn:
            count = run.count
            metrics.updates_in += count
            metrics.updates_out += count * (len(peers) - (run.peer in peers))
            if run.peer is not None:
                run.peer.written += count

    def _store(self, keep: Keep, run: Run, began: float | None) -> None:
        peer, frames, who = run.peer, b"", ""
        if peer is not None:
            who, frames = peer.participant.id, run.returned(peer.wire)
        record = Record(self._now_ms(), who, tuple(run.clients), tuple(run.updates))
        self._kept += 1
        keep(record, partial(self._durable, peer, frames, began))
        self.growth.add(record)
        if self.growth.is_due and self.on_growth is not None:
            self.growth.restart()
            self.on_growth()

    def _durable(self, peer: Peer | None, frames: bytes, began: float | None) -> None:
        """Return its own updates to a writer: now they are on disk.

        With the last record of a turn comes when that turn began.
        """
        self._on_disk += 1
        if began is not None:
            self._metrics.durable.observe(perf_counter() - began)
        if peer is not None:
            if self._saved or self.unsaved:  # all of one commit go back at once
                if not self._saved:
                    self._turns.at_end(self._confirm)
                self._saved.setdefault(peer, []).append(frames)
            else:
                self._metrics.bytes_out += give_back(self.peers, {peer: (frames,)})
        while self._waiting and self._waiting[0][0] <= self._on_disk:
            self._waiting.popleft()[1]()

    def _confirm(self) -> None:
        saved, self._saved = self._saved, {}
        self._metrics.bytes_out += give_back(self.peers, saved)


def _client(raw: bytes) -> int:
    return varint.decode(raw, 0)[0]
