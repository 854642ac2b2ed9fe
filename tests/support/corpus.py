"""
The corpus: messages that break implementations, each a file of bytes with a line in the index.

``kind`` says what the bytes are: an ``update``, a state vector (``step1``), the payload of an
``awareness`` message, or a whole ``frame``. ``answer`` says what a server must do with them:
``refused``; ``asked`` (something before it is missing); ``foreign``, that is refused as live
traffic and passed over in an answer or a repetition, where honest clients send it too; ``taken``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tests.support import wire

FOLDER = Path(__file__).parent.parent / "corpus"

VICTIM = 5
"""The client id that files name where they attack another client."""


@dataclass(frozen=True, slots=True)
class Case:
    """One file of the corpus."""

    name: str
    kind: str
    answer: str
    what: str

    def payload(self) -> bytes:
        return (FOLDER / self.name).read_bytes()

    def frames(self) -> dict[str, bytes]:
        """The frames that carry it, by the way it is sent."""
        payload = self.payload()
        if self.kind == "update":
            return {"update": wire.update(payload), "step 2": wire.step2(payload)}
        if self.kind == "step1":
            return {"step 1": wire.step1(payload)}
        if self.kind == "awareness":
            return {"awareness": wire.awareness_payload(payload)}
        return {"frame": payload}


def cases() -> list[Case]:
    index = json.loads((FOLDER / "index.json").read_text())
    return [Case(name, **line) for name, line in index.items()]
