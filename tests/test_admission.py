"""Who comes in by a token: `syncroom.auth` proves the rest."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from syncroom.admission import Admission
from syncroom.auth.keys import Keyring
from syncroom.auth.visitor import Visitor
from syncroom.errors import Denied, Unauthenticated
from tests.support import tokens

SECRET = "a secret of these tests, long enough: 0123456789"
DOOR = Admission(Keyring(SECRET))


def _visitor(token: str | None, room: str = "demo") -> Visitor:
    return Visitor(room, "notes", token, Headers(), {}, "127.0.0.1")


def _token(room: str) -> str:
    return tokens.mint(SECRET, room=room, name="ann", role="user", api={})


def test_a_good_token_lets_its_holder_in() -> None:
    assert DOOR.admit(_visitor(_token("demo"))).name == "ann"


def test_a_token_for_another_room_does_not() -> None:
    with pytest.raises(Denied):
        DOOR.admit(_visitor(_token("other")))


def test_nobody_comes_in_without_a_token() -> None:
    with pytest.raises(Unauthenticated):
        DOOR.admit(_visitor(None))


def test_a_visitor_that_is_printed_shows_no_secret() -> None:
    headers = Headers({"cookie": "sessionid=secret"})
    visitor = Visitor("demo", "notes", "a.b.c", headers, {"token": "a.b.c"}, "127.0.0.1")

    assert "a.b.c" not in repr(visitor)
    assert "sessionid" not in repr(visitor)
