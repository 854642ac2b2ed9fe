"""
Hostile messages, each made from a seed and a number alone: random, honest ones that were changed,
and ones that follow the grammar of the format and lie in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from tests.fuzz import grammar
from tests.protocol.honest import MEET, Replica
from tests.server.fakes import frame, handshake
from tests.support import wire

if TYPE_CHECKING:
    from collections.abc import Callable

INTEGERS = (0, 1, 2, 127, 128, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53 - 1, 2**53, 2**64 - 1)


@dataclass(frozen=True, slots=True)
class Case:
    """Bytes for a connection that has a document open, or for one that has not even begun."""

    data: bytes
    is_http: bool = False


def make_case(seed: int, number: int) -> Case:
    """The case of a number; it depends on nothing else."""
    rng = Random(f"{seed}/{number}")
    kind = rng.random()
    if kind < 0.04:
        return Case(_http(rng), is_http=True)
    if kind < 0.10:
        return Case(odd_frames(rng, _message(rng, number)))
    return Case(frame(_message(rng, number)))


def _message(rng: Random, number: int) -> bytes:
    """What a binary frame holds: mostly one message, at times several."""
    count = 1 if rng.random() < 0.9 else rng.randint(2, 6)
    return b"".join(_MESSAGES[rng.randrange(len(_MESSAGES))](rng, number) for _ in range(count))


def _random(rng: Random, _: int) -> bytes:
    return rng.choice([b"", b"\0", b"\0\1", b"\0\2", b"\1"]) + rng.randbytes(rng.randrange(80))


def _mutated_update(rng: Random, number: int) -> bytes:
    return _pack_update(rng, changed(rng, honest_update(rng, number)))


def _mutated_message(rng: Random, number: int) -> bytes:
    return changed(rng, _pack_update(rng, honest_update(rng, number)))


def _honest_message(rng: Random, number: int) -> bytes:
    return _pack_update(rng, honest_update(rng, number))


def _grammatical(rng: Random, number: int) -> bytes:
    return _pack_update(rng, grammar.update(rng, number))


def _mutated_grammatical(rng: Random, number: int) -> bytes:
    return _pack_update(rng, changed(rng, grammar.update(rng, number)))


def _step_1(rng: Random, number: int) -> bytes:
    clients = [rng.choice([5, number, 1000 + number, rng.choice(INTEGERS)]) for _ in range(3)]
    pairs = [wire.varuint(each) + wire.varuint(rng.choice(INTEGERS)) for each in clients]
    vector = wire.varuint(rng.choice([3, 3, 3, *INTEGERS])) + b"".join(pairs)
    return wire.step1(vector if rng.random() < 0.7 else changed(rng, vector))


def _awareness(rng: Random, number: int) -> bytes:
    value = rng.choice(
        ['{"a":1}', "{}", "null", "[]", "5", "NaN", "{", '{"user":{"name":"x"}}', ""]
    )
    entries = [
        wire.varuint(rng.choice([5, 1000 + number, rng.choice(INTEGERS)]))
        + wire.varuint(rng.choice(INTEGERS))
        + wire.string(value * rng.choice([1, 1, 1, 3000]))
        for _ in range(rng.randint(0, 4))
    ]
    payload = wire.varuint(rng.choice([len(entries)] * 6 + list(INTEGERS))) + b"".join(entries)
    return wire.awareness_payload(payload if rng.random() < 0.7 else changed(rng, payload))


def _other(rng: Random, _: int) -> bytes:
    auth = bytes([wire.AUTH, rng.randrange(3)]) + wire.string("denied")
    unknown = wire.varuint(rng.choice([4, 5, 127, *INTEGERS])) + wire.varbytes(rng.randbytes(9))
    return rng.choice([wire.QUERY, wire.QUERY, auth, unknown, b"\0" + unknown])


_MESSAGES: list[Callable[[Random, int], bytes]] = [
    _random,
    _mutated_update,
    _mutated_update,
    _mutated_message,
    _honest_message,
    _grammatical,
    _grammatical,
    _grammatical,
    _mutated_grammatical,
    _step_1,
    _awareness,
    _other,
]


def _pack_update(rng: Random, data: bytes) -> bytes:
    return rng.choice([wire.update, wire.update, wire.step2])(data)


def honest_update(rng: Random, number: int) -> bytes:
    """What somebody wrote who has nothing to do with anybody else in the document."""
    replica = Replica(1000 + number)
    for _ in range(rng.randint(1, 5)):
        replica.edit(rng.randrange(MEET), rng.randrange(99), rng.randrange(99))
    return replica.doc.get_update()


def changed(rng: Random, data: bytes) -> bytes:
    """A few bytes changed, left out, doubled, invented, or one number for another."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed) + 1)
        how = rng.randrange(6)
        if how == 0:
            changed[at : at + 1] = rng.randbytes(1)
        elif how == 1 and at < len(changed):
            changed[at] ^= 1 << rng.randrange(8)
        elif how == 2:
            changed[at:at] = changed[at : at + rng.randint(1, 8)]
        elif how == 3:
            del changed[at : at + rng.randint(1, 3)]
        elif how == 4:
            changed[at : at + 1] = wire.varuint(rng.choice(INTEGERS))
        elif rng.random() < 0.3:
            del changed[at:]
    return bytes(changed)


def odd_frames(rng: Random, message: bytes) -> bytes:
    """Frames as no library writes them: in pieces, not masked, with the wrong bits, cut off."""
    whole = bytearray(frame(message))
    how = rng.randrange(7)
    if how == 0:
        whole[0] = rng.randrange(256)
    elif how == 1:
        whole[1] &= 127
    elif how == 2:
        whole[1] = rng.randrange(256)
    elif how == 3:
        edges = sorted(rng.sample(range(len(message) + 1), min(3, len(message) + 1)))
        cuts = zip([0, *edges], [*edges, len(message)], strict=True)
        pieces = [message[first:end] for first, end in cuts]
        opcodes = [2, *[0] * (len(pieces) - 1)]
        if rng.random() < 0.3:
            rng.shuffle(opcodes)
        frames = [bytearray(frame(piece)) for piece in pieces]
        for number, (each, opcode) in enumerate(zip(frames, opcodes, strict=True)):
            each[0] = opcode | (128 if number == len(frames) - 1 else 0)
        return b"\x89\x80\0\0\0\0".join(map(bytes, frames))
    elif how == 4:
        return bytes(changed(rng, bytes(whole)))
    elif how == 5:
        return bytes(whole) * rng.randint(2, 20)
    else:
        whole[0] = 128 | rng.choice([8, 9, 10, 1])
    return bytes(whole)


def _http(rng: Random) -> bytes:
    """A request that is none, or nearly one."""
    good = rng.choice(
        [
            handshake("/yjs/demo/fuzzed"),
            handshake("/yjs/" + "%2e%2e/" * rng.randint(1, 300)),
            b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /api/rooms/demo/documents/a HTTP/1.1\r\nHost: x\r\n\r\n",
            b"PUT /api/rooms/demo/documents/a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{}",
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nx\r\n0\r\n\r\n",
        ]
    )
    return rng.randbytes(rng.randrange(1, 200)) if rng.random() < 0.2 else changed(rng, good)
