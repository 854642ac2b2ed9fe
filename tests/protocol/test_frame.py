"""Frames from server to client, at every size where the head changes."""

from __future__ import annotations

import pytest
from websockets.frames import Frame, Opcode

from syncroom.protocol.frame import binary_frame, messages


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 200_000])
def test_a_frame_is_what_the_library_would_write(size: int) -> None:
    message = bytes(size)

    expected = Frame(Opcode.BINARY, message).serialize(mask=False)

    assert binary_frame(message) == expected


def test_frames_are_taken_apart_into_the_messages_that_were_put_in() -> None:
    sent = [bytes([size % 251]) * size for size in (0, 1, 125, 126, 65535, 65536, 3)]

    assert list(messages(b"".join(map(binary_frame, sent)))) == sent
    assert list(messages(b"")) == []
