"""What one participant asks another for through the server, until it is answered."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from syncroom.errors import LimitExceeded, NotFound, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncroom.apis.base import Caller
    from syncroom.limits import Limits

_REASON_MAX = 200


class Unanswered(Unavailable):
    """Whoever was asked did not answer in time."""


@dataclass(frozen=True, slots=True)
class _Petition:
    asked: Caller
    answer: asyncio.Future[bytes]


class Petitions:
    """The open ones of a room.

    Args:
        members: who can be asked, by id.
        limits: the bounds of the server.
    """

    def __init__(self, members: Mapping[str, Caller], limits: Limits) -> None:
        self._members = members
        self._limits = limits
        self._open: dict[str, _Petition] = {}

    def find(self, participant_id: str) -> Caller:
        """Who can be asked; raises `NotFound`."""
        asked = self._members.get(participant_id)
        scope = asked.participant.scope if asked is not None else None
        if asked is None or scope is None or scope.secrets is None:
            raise NotFound(f"nobody here with the id {participant_id[:80]!r} can provide secrets")
        return asked

    async def ask(
        self, asked: Caller, kind: str, header: Mapping[str, Any], wait_s: float
    ) -> bytes:
        """What somebody answers to an event.

        Raises `Unanswered`, `LimitExceeded`, and `Unavailable` where it declines or leaves.
        """
        if len(self._open) >= self._limits.secret_requests_max:
            raise LimitExceeded("too many requests for secrets are open in the room; try later")
        number = secrets.token_hex(16)
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._open[number] = _Petition(asked, answer)
        asked.send(kind, {"request_id": number, **header})
        try:
            async with asyncio.timeout(min(wait_s, self._limits.secret_request_s_max)):
                return await answer
        except TimeoutError:
            raise Unanswered(f"{asked.participant.name!r} did not answer in time") from None
        finally:
            del self._open[number]

    def answer(self, caller: Caller, number: str, data: bytes | None, reason: str | None) -> None:
        """Take an answer, or with a reason a refusal; raises `NotFound`."""
        petition = self._open.get(number)
        if petition is None or petition.asked is not caller or petition.answer.done():
            raise NotFound("nobody waits for the answer to this request any more")
        if data is None:
            why = "" if reason is None else f": {reason[:_REASON_MAX]}"
            declined = f"{caller.participant.name!r} declined{why}"
            petition.answer.set_exception(Unavailable(declined))
        else:
            petition.answer.set_result(data)

    def leave(self, caller: Caller) -> None:
        """Fail what somebody was asked, for it is gone."""
        for petition in self._open.values():
            if petition.asked is caller and not petition.answer.done():
                gone = Unavailable(f"{caller.participant.name!r} left the room")
                petition.answer.set_exception(gone)
