"""What load clients write: letter after letter, in frames that are built once for every run."""

from __future__ import annotations

from benchmarks import wire

_BUILT_AT_ONCE_MAX = 512


class Burst:
    """Keystrokes that one writer sends at once.

    Received bytes that are equal to `relayed` need no reading: it is known what they say.
    """

    __slots__ = ("end", "first", "relayed", "sent", "start", "writer")

    def __init__(self, writer: int, start: int, sent: list[bytes], relayed: list[bytes]) -> None:
        self.writer = writer
        self.start = start
        self.end = start + len(sent)
        self.sent = b"".join(sent)
        """The frames as the writer sends them."""
        self.first = relayed[0]
        self.relayed = b"".join(relayed)
        """The frames as a server relays them that leaves updates as they are."""


class Keystrokes:
    """The keystrokes of every writer, from the first on."""

    def __init__(self) -> None:
        self._frames: dict[tuple[bytes, int], tuple[list[bytes], list[bytes]]] = {}

    def burst(self, to: bytes, writer: int, clock: int, count: int) -> Burst:
        """A writer's keystrokes from a clock on, addressed to a document."""
        sent, relayed = self._frames.setdefault((to, writer), ([], []))
        end, built = clock + count, len(sent)
        if built < end:
            for number in range(built, max(end, min(2 * built, built + _BUILT_AT_ONCE_MAX))):
                update = wire.keystroke(writer, number)
                sent.append(wire.change(to, update))
                relayed.append(wire.relayed(to, update))
        return Burst(writer, clock, sent[clock:end], relayed[clock:end])

    def forget(self, to: bytes) -> None:
        """Free what was built for a document that is not written in any more."""
        if to:
            self._frames = {key: built for key, built in self._frames.items() if key[0] != to}
