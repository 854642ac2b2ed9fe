"""Where a room is, as clients are told."""

from __future__ import annotations

import pytest

from syncroom.server.urls import room_url


@pytest.mark.parametrize(
    ("public_url", "is_secure", "expected"),
    [
        (None, False, "ws://here:8420/rooms/demo"),
        (None, True, "wss://here:8420/rooms/demo"),
        ("https://rooms.example.org", False, "wss://rooms.example.org/rooms/demo"),
        ("http://rooms.example.org:81/", True, "ws://rooms.example.org:81/rooms/demo"),
        ("https://example.org/below/", False, "wss://example.org/below/rooms/demo"),
    ],
)
def test_a_room_is_where_the_public_url_or_the_request_says(
    public_url: str | None, is_secure: bool, expected: str
) -> None:
    assert room_url(public_url, "here:8420", is_secure, "demo") == expected


def test_a_name_is_quoted() -> None:
    assert room_url(None, "here", False, "a/b c") == "ws://here/rooms/a%2Fb%20c"
