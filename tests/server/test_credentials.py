"""Where a token is looked for, and in which order."""

from __future__ import annotations

import pytest

from syncroom.server.credentials import is_token, token_of

JWT = "aaa.bbb.ccc"


@pytest.mark.parametrize(
    ("authorization", "query", "subprotocols", "expected"),
    [
        (f"Bearer {JWT}", "", [], JWT),
        (f"bearer   {JWT} ", "", [], JWT),
        (f"Bearer {JWT}", "token=x.y.z", ["u.v.w"], JWT),
        (None, f"token={JWT}", ["u.v.w"], JWT),
        (None, f"a=b&token={JWT}&token=x.y.z", [], JWT),
        (None, "token=a%2Bb.c.d", [], "a+b.c.d"),
        (None, "", [f"syncroom.{JWT}"], JWT),
        (None, "", [f"meshagent-room.{JWT}"], JWT),
        (None, "", [JWT], JWT),
        (None, "", ["yjs", f"syncroom.{JWT}", "x.y.z"], JWT),
        ("Basic YTpi", f"token={JWT}", [], JWT),
        ("Basic YTpi", "", [f"syncroom.{JWT}"], JWT),
        ("Bearer", f"token={JWT}", [], ""),
        (None, "", [], None),
        (None, "token=", [], None),
        (None, "Token=x", ["yjs", ""], None),
        (None, "%ff=%ff&&&=;", [], None),
    ],
)
def test_the_token_is_found_where_it_may_be(
    authorization: str | None, query: str, subprotocols: list[str], expected: str | None
) -> None:
    assert token_of(authorization, query, subprotocols) == expected


@pytest.mark.parametrize("name", [JWT, f"syncroom.{JWT}", f"meshagent-room.{JWT}"])
def test_a_subprotocol_with_two_dots_is_a_token(name: str) -> None:
    assert is_token(name)


@pytest.mark.parametrize("name", ["", "yjs", "syncroom.", "syncroom.a.b", "a.b", "a.b.c.d"])
def test_other_subprotocols_are_none(name: str) -> None:
    assert not is_token(name)
