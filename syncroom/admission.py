"""Who comes in: whoever the hook ``authenticate`` knows, and else whoever has a good token."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING

from syncroom.auth.participant import Participant, admit
from syncroom.errors import Unavailable
from syncroom.hooks import Hooks, call_hook, hook_failed

if TYPE_CHECKING:
    from syncroom.auth.keys import Keyring
    from syncroom.auth.visitor import Visitor
    from syncroom.hooks import Authenticate
    from syncroom.limits import Limits

_ADMITTED_MAX = 4096
"""Tokens that need not be read again when their holders come back, about 3 KB each. Reading one
takes as long as all else that a new connection needs."""


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
        self._admit = lru_cache(_ADMITTED_MAX)(self._check)

    @property
    def is_by_token(self) -> bool:
        """Whether nothing but the token counts, so that `by_token` says it at once."""
        return self._authenticate is None

    def by_token(self, visitor: Visitor) -> Participant:
        """Who a visitor is by the token alone; raises `Unauthenticated`, `Denied`."""
        asked = visitor.token, visitor.room, self.keyring.version
        who = self._admit(*asked)
        if who.expires_at is not None and time.time() >= who.expires_at:
            return self._check(*asked)  # which says what is wrong
        return who

    def _check(self, token: str | None, room: str, _: int) -> Participant:
        return admit(token, room, self.keyring, time.time())

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
