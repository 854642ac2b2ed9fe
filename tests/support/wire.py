"""
The y-protocols, written by hand for tests: messages to bytes, and frames back to messages.

It shares no code with the server, so that both can't be wrong in the same way. It writes what it
is told to, however malformed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TypeAlias

SYNC, AWARENESS, AUTH, QUERY_AWARENESS = 0, 1, 2, 3
STEP_1, STEP_2, UPDATE = 0, 1, 2

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"


@dataclass(frozen=True, slots=True)
class State:
    """One client's presence, as one entry of an awareness message."""

    client: int
    clock: int
    value: JSON


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a frame: ``step1``, ``step2``, ``update``, ``awareness``, ``denied``, ..."""

    kind: str
    payload: bytes = b""
    states: tuple[State, ...] = ()
    reason: str = ""


def varuint(number: int) -> bytes:
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def varbytes(payload: bytes) -> bytes:
    return varuint(len(payload)) + payload


def string(text: str) -> bytes:
    return varbytes(text.encode())


def step1(state_vector: bytes = b"\x00") -> bytes:
    return bytes([SYNC, STEP_1]) + varbytes(state_vector)


def step2(update: bytes) -> bytes:
    return bytes([SYNC, STEP_2]) + varbytes(update)


def update(payload: bytes) -> bytes:
    return bytes([SYNC, UPDATE]) + varbytes(payload)


def states(*entries: State) -> bytes:
    """The payload of an awareness message."""
    encoded = [
        varuint(entry.client) + varuint(entry.clock) + string(json.dumps(entry.value))
        for entry in entries
    ]
    return varuint(len(entries)) + b"".join(encoded)


def awareness(*entries: State) -> bytes:
    return bytes([AWARENESS]) + varbytes(states(*entries))


def awareness_payload(payload: bytes) -> bytes:
    return bytes([AWARENESS]) + varbytes(payload)


NOTHING = b"\x00\x00"
"""The update that changes nothing."""

QUERY = bytes([QUERY_AWARENESS])


class Reader:
    """Reads a frame from its start; an honest server never makes it read past the end."""

    def __init__(self, frame: bytes) -> None:
        self.frame = frame
        self.position = 0

    def at_end(self) -> bool:
        return self.position >= len(self.frame)

    def varuint(self) -> int:
        number = shift = 0
        while True:
            byte = self.frame[self.position]
            self.position += 1
            number |= (byte & 127) << shift
            if byte < 128:
                return number
            shift += 7

    def varbytes(self) -> bytes:
        length = self.varuint()
        taken = self.frame[self.position : self.position + length]
        assert len(taken) == length, "the frame ends inside a message"
        self.position += length
        return taken


def messages(frame: bytes) -> list[Message]:
    """Everything that stands in a frame, however many messages one after another."""
    reader = Reader(frame)
    found = []
    while not reader.at_end():
        found.append(_message(reader))
    return found


def _message(reader: Reader) -> Message:
    kind = reader.varuint()
    if kind == SYNC:
        name = {STEP_1: "step1", STEP_2: "step2", UPDATE: "update"}[reader.varuint()]
        return Message(name, reader.varbytes())
    if kind == AWARENESS:
        payload = reader.varbytes()
        return Message("awareness", payload, states=_states(Reader(payload)))
    if kind == AUTH:
        verdict = {0: "denied", 1: "granted"}[reader.varuint()]
        return Message(verdict, reason=reader.varbytes().decode())
    assert kind == QUERY_AWARENESS, f"a message of type {kind}"
    return Message("query")


def _states(reader: Reader) -> tuple[State, ...]:
    entries = [
        State(reader.varuint(), reader.varuint(), json.loads(reader.varbytes()))
        for _ in range(reader.varuint())
    ]
    assert reader.at_end(), "an awareness message has trailing bytes"
    return tuple(entries)


def state_vector(payload: bytes) -> dict[int, int]:
    reader = Reader(payload)
    return {reader.varuint(): reader.varuint() for _ in range(reader.varuint())}
