"""Large documents written directly as structs: what takes editors hours, in a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.protocol import craft
from tests.support import wire

if TYPE_CHECKING:
    import random
    from collections.abc import Callable


def type_randomly(rng: random.Random, edits: int) -> bytes:
    """What three people typed in turns: runs of letters, steps back, jumps, deletions."""
    clients = (1, 77, 2**31 + 5)
    left: list[tuple[int, int]] = []
    right: list[tuple[int, int]] = []
    structs: dict[int, list[bytes]] = {client: [] for client in clients}
    deletes: craft.Ranges = {client: [] for client in clients}
    client = 1
    for _ in range(edits):
        chance = rng.random()
        if chance < 0.03:
            client = rng.choice(clients)
            for _ in range(rng.randrange(400)):
                source, target = (left, right) if chance < 0.015 else (right, left)
                if source:
                    target.append(source.pop())
        if chance > 0.85 and left:
            owner, clock = left.pop()
            deletes[owner].append((clock, 1))
            continue
        structs[client].append(_between(left[-1:], right[-1:], "etaoin shrdlu"[int(chance * 13)]))
        left.append((client, len(structs[client]) - 1))
    sections = [craft.section(each, 0, *made) for each, made in structs.items() if made]
    return craft.update(*sections, deletes={each: made for each, made in deletes.items() if made})


def _between(left: list[tuple[int, int]], right: list[tuple[int, int]], text: str) -> bytes:
    if not left and not right:
        return craft.string(text)
    marks = (0x80 if left else 0) | (0x40 if right else 0) | craft.STRING
    return bytes([marks]) + b"".join(map(craft.unit, left + right)) + wire.string(text)


def _backwards(count: int) -> bytes:
    """Each letter left of the one before: a chain of right origins."""
    rest = [_between([], [(1, clock)], "a") for clock in range(count - 1)]
    return craft.update(craft.section(1, 0, craft.string("a"), *rest))


def _turns(count: int) -> bytes:
    """Two clients, each behind the other's last letter: a chain across clients."""
    first = [craft.string("a"), *(_between([(2, at)], [], "a") for at in range(count // 2))]
    second = [_between([(1, at)], [], "b") for at in range(count // 2)]
    return craft.update(craft.section(2, 0, *second), craft.section(1, 0, *first))


def _nested(count: int) -> bytes:
    """Types inside each other, the outermost deleted."""
    inner = [craft.in_parent(7, b"\x00", (1, at)) for at in range(count - 1)]
    outer = craft.in_root(7, b"\x00", "array")
    return craft.update(craft.section(1, 0, outer, *inner), deletes={1: [(0, 1)]})


def _every_other_letter(count: int) -> bytes:
    """One long text with every other letter deleted, and characters of two units in it."""
    text = "ab😀" * (count // 4)
    ranges = [(clock, 1) for clock in range(0, count, 4)]
    return craft.update(craft.section(1, 0, craft.string(text)), deletes={1: ranges})


def _every_other_value(count: int) -> bytes:
    """One long list with every other value deleted."""
    values = wire.varuint(count) + bytes([126]) * count
    ranges = [(clock, 1) for clock in range(0, count, 2)]
    return craft.update(craft.section(1, 0, craft.in_root(8, values, "list")), deletes={1: ranges})


PATTERNS: dict[str, Callable[[int], bytes]] = {
    "backwards": _backwards,
    "turns": _turns,
    "nested": _nested,
    "every other letter": _every_other_letter,
    "every other value": _every_other_value,
}
