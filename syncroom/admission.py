"""Who comes in: whoever the hook ``authenticate`` knows, and else whoever has a good token."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from syncroom.auth.participant import Participant, admit
from syncroom.errors import Unavailable
from syncroom.hooks import Hooks, call_hook, hook_failed

if TYPE_CHECKING:
    from syncroom.auth.keys import Keyring
    from syncroom.auth.visitor import Visitor
    from syncroom.hooks import Authenticate
    from syncroom.limits import Limits


class Admission:
    """The way into the rooms of one server.

    Args:
        keyring: the secrets that tokens are signed with.
        limits: the bounds of the server.
        hooks: one of them may be asked before the token.
    """

    def __init__(self, keyring: Keyring, limits: Limits, hooks: Hooks | None = None) -> None:
        self.keyring = keyring
        self._authenticate = hooks.authenticate if hooks is not None else None
        self._limits = limits
        self._asking = 0
        """Visitors that wait for what the hook says."""

    @property
    def is_by_token(self) -> bool:
        """Whether nothing but the token counts, so that `by_token` says it at once."""
        return self._authenticate is None

    def by_token(self, visitor: Visitor) -> Participant:
        """Who a visitor is by the token alone; raises `Unauthenticated`, `Denied`."""
        return admit(visitor.token, visitor.room, self.keyring, time.time())

    async def admit(self, visitor: Visitor) -> Participant:
        """Who a visitor is; raises `Unauthenticated`, `Denied`, `HookFailed`, `Unavailable`."""
        if self._authenticate is None:
            return self.by_token(visitor)
        if self._asking >= self._limits.hooks_waiting_max:
            raise Unavailable(f"{self._asking} others wait to be let in; try again later")
        self._asking += 1
        try:
            known = await self._ask(self._authenticate, visitor)
        finally:
            self._asking -= 1
        return self.by_token(visitor) if known is None else known

    async def _ask(self, hook: Authenticate, visitor: Visitor) -> Participant | None:
        s_max, where = self._limits.hook_s_max, visitor.where
        known = await call_hook("authenticate", hook, visitor, s_max=s_max, **where)
        if known is not None and not isinstance(known, Participant):
            wrong = TypeError(f"it returned a {type(known).__name__}, not a Participant or None")
            raise hook_failed("authenticate", wrong, **where)
        return known
