"""Lets API keys that are made and revoked beside a running server count at once."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from syncroom.errors import Misconfigured, Unauthenticated

if TYPE_CHECKING:
    from syncroom.server.gate import Gate
    from syncroom.store.keys import KeyFile

LOOK_S = 0.25
"""The file is looked at so often: who holds a revoked key is gone within a second."""

_log = logging.getLogger("syncroom.server.keys")


class KeyWatch:
    """Keeps the keyring of a server as the file says, and ends sessions whose key was revoked."""

    def __init__(self, files: KeyFile, gate: Gate) -> None:
        self._files = files
        self._gate = gate
        self._keyring = gate.admission.keyring
        self._loop = asyncio.get_running_loop()
        self._version: tuple[int, ...] | None = ()  # what was read before may be old by now
        self._revoked: set[str] = set()
        self._timer = self._loop.call_later(LOOK_S, self.look)

    def look(self) -> None:
        """Take in what changed, and look again later."""
        self._timer.cancel()
        self._timer = self._loop.call_later(LOOK_S, self.look)
        version = self._files.version()
        changed = self._read() if version != self._version else set()
        self._version = version
        # Sessions of a revoked key may have been on their way in when it was.
        ended = changed | self._revoked
        if ended:
            why = Unauthenticated("the API key that signed the token was revoked")
            self._gate.dismiss(lambda session: session.participant.key_id in ended, why)

    def close(self) -> None:
        """Look no more."""
        self._timer.cancel()

    def _read(self) -> set[str]:
        """The ids of keys that were accepted, and are not any more."""
        try:
            keys = self._files.keys().values()
        except Misconfigured as error:
            _log.error("API keys stay as they were: %s", error)
            return set()
        changed = self._keyring.replace(keys)
        self._revoked = (self._revoked | changed) - {key.id for key in keys}
        _log.info("read the API keys: %d are accepted, %d ended", len(keys), len(changed))
        return changed
