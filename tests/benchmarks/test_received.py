from __future__ import annotations

import pytest
from pycrdt import Doc, Text, merge_updates

from benchmarks import wire
from benchmarks.errors import MeasurementFailed
from benchmarks.keystrokes import Keystrokes
from benchmarks.received import Received
from benchmarks.wire import Dialect


def server_frame(message: bytes) -> bytes:
    assert len(message) < 1 << 16
    if len(message) < 126:
        return bytes((0x82, len(message))) + message
    return b"\x82\x7e" + len(message).to_bytes(2, "big") + message


def update_message(update: bytes) -> bytes:
    return bytes((wire.SYNC, wire.UPDATE)) + wire.varbytes(update)


def keystrokes(writer: int, count: int) -> list[bytes]:
    return [wire.keystroke(writer, clock) for clock in range(count)]


@pytest.mark.parametrize("count", [1, 5, 300, 20_000])
def test_keystrokes_in_frames_of_their_own_are_counted_one_by_one(count: int) -> None:
    data = b"".join(wire.relayed(b"", update) for update in keystrokes(3, count))

    received = Received(Dialect.YJS, data, {})

    assert received.units == [(3, 0, count)]
    assert received.rest == b""


def test_bursts_that_come_back_as_they_were_sent_are_recognised() -> None:
    keys = Keystrokes()
    first, second = keys.burst(b"", 0, 0, 16), keys.burst(b"", 1, 0, 16)
    bursts = {burst.first: burst for burst in (first, second)}

    received = Received(Dialect.YJS, first.relayed + second.relayed, bursts)

    assert received.units == [(0, 0, 16), (1, 0, 16)]


def test_a_burst_of_which_a_frame_is_missing_is_not_taken_for_whole() -> None:
    burst = Keystrokes().burst(b"", 0, 0, 4)
    frames = [wire.relayed(b"", update) for update in keystrokes(0, 4)]

    received = Received(Dialect.YJS, frames[0] + frames[1] + frames[3], {burst.first: burst})

    assert sorted(received.units) == [(0, 0, 2), (0, 3, 4)]


def test_updates_that_a_server_merged_count_in_full() -> None:
    merged = merge_updates(*keystrokes(0, 40), *keystrokes(7, 30))
    message = wire.varbytes(b"name") + update_message(merged)

    received = Received(Dialect.HOCUSPOCUS, server_frame(message), {})

    assert sorted(received.units) == [(0, 0, 40), (7, 0, 30)]


def test_keystrokes_that_a_server_joined_to_one_struct_count_in_full() -> None:
    document: Doc[Text] = Doc()
    for update in keystrokes(2, 50):
        document.apply_update(update)

    received = Received(Dialect.YJS, server_frame(update_message(document.get_update())), {})

    assert received.units == [(2, 0, 50)]


def test_the_first_sync_step_2_is_kept_and_not_counted() -> None:
    update = merge_updates(*keystrokes(0, 3))
    data = server_frame(bytes((wire.SYNC, wire.STEP_2)) + wire.varbytes(update))

    first = Received(Dialect.YJS, data, {}, is_synced=False)
    later = Received(Dialect.YJS, data, {})

    assert (first.step_2, first.units) == (update, [])
    assert later.units == [(0, 0, 3)]


def test_the_beginning_of_a_frame_is_left_for_later() -> None:
    first, second = (wire.relayed(b"", update) for update in keystrokes(0, 2))

    for cut in range(len(second)):
        received = Received(Dialect.YJS, first + second[:cut], {})

        assert received.units == [(0, 0, 1)]
        assert received.rest == second[:cut]


def test_a_message_of_an_unknown_kind_is_a_failure() -> None:
    with pytest.raises(MeasurementFailed, match="kind 77"):
        Received(Dialect.YJS, server_frame(b"\x4d\0"), {})
