"""Who comes in: whoever the ``authenticate`` hook knows, and else whoever has a good token."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from syncroom.auth.participant import admit

if TYPE_CHECKING:
    from syncroom.auth.keys import Keyring
    from syncroom.auth.participant import Participant
    from syncroom.auth.visitor import Visitor


class Admission:
    """The way into the rooms of one server.

    Args:
        keyring: the secrets that tokens are signed with.
    """

    def __init__(self, keyring: Keyring) -> None:
        self.keyring = keyring

    def admit(self, visitor: Visitor) -> Participant:
        """Who a visitor is by the token alone; raises `Unauthenticated`, `Denied`."""
        return admit(visitor.token, visitor.room, self.keyring, time.time())
