"""URLs of files that work alone: for one method on one path, until they end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from syncroom.auth import jws
from syncroom.errors import Denied, Unauthenticated

if TYPE_CHECKING:
    from syncroom.apis.base import Caller
    from syncroom.auth.keys import Keyring
    from syncroom.auth.participant import Participant
    from syncroom.limits import Limits

PREFIX = "/files"


class Signed(NamedTuple):
    """What a URL that works alone permits."""

    is_attachment: bool
    is_for_documents: bool
    """Whether also where a document lies, not a file."""


class UrlSigner:
    """Makes URLs that whoever has one can use, for what they were made for, until they end."""

    def __init__(self, keyring: Keyring, limits: Limits) -> None:
        self._keyring = keyring
        self._limits = limits

    def download(self, room: str, caller: Caller, path: str, is_attachment: bool) -> str:
        """The URL of a file, for a participant of a room, on the server that it came to."""
        base, _, _ = caller.room_url.rpartition("/rooms/")
        who, seconds = caller.participant, self._limits.download_url_s
        signed = self.sign(room, path, "GET", seconds, who, is_attachment)
        project = self._keyring.project_id or "default"
        return f"http{base.removeprefix('ws')}{place(project, room, path)}?signed={signed}"

    def sign(
        self,
        room: str,
        path: str,
        method: str,
        seconds: float,
        who: Participant,
        is_attachment: bool = False,
    ) -> str:
        """What permits one method on one path for a time, as far as it is permitted to whom.

        It ends with the API key that lets them ask.
        """
        may = who.may_read if method in ("GET", "HEAD") else who.may_write
        what = {"room": room, "path": path, "method": method, "attachment": is_attachment}
        claims: Any = {
            "file": {**what, "document": may(path)},
            "exp": int(time.time() + seconds),
            "kid": who.key_id,
        }
        return jws.sign(claims, self._keyring.secret_for(who.key_id))

    def read(self, signed: str, room: str, path: str, method: str) -> Signed:
        """What a signature permits; raises `Denied` where that is nothing."""
        try:
            found = jws.read(signed)
        except Unauthenticated:
            raise Denied("the signature of this URL can't be read; ask for a new one") from None
        what, ends = found.payload.get("file"), found.payload.get("exp")
        if not self._keyring.has_signed(found) or not isinstance(what, dict):
            raise Denied("this URL was signed with a key that is not in use; ask for a new one")
        if not isinstance(ends, int) or time.time() > ends:
            raise Denied("this URL has ended; ask for a new one")
        methods = ("GET", "HEAD") if what.get("method") == "GET" else (what.get("method"),)
        if (what.get("room"), what.get("path")) != (room, path) or method not in methods:
            raise Denied("this URL was made for something else")
        return Signed(what.get("attachment") is True, what.get("document") is True)


def place(project: str, room: str, path: str) -> str:
    """The path of a file in a URL."""
    return f"{PREFIX}/{quote(project, safe='')}/rooms/{quote(room, safe='')}/{quote(path)}"
