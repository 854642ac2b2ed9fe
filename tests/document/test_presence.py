"""Presence: clocks that always rise, names that tokens give, echoes that are known as such."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from syncroom.auth.participant import Participant
from syncroom.document.presence import Presence, is_echo
from syncroom.protocol.awareness import GONE, Entry
from tests.properties import examples

ANN = Participant("id-of-ann", "Ann", "user", None, None)
TODAY_MS = 1_760_000_000_000


@examples(100)
@given(st.lists(st.tuples(st.integers(1, 3), st.booleans(), st.integers(-5, 5)), max_size=20))
def test_clocks_rise_with_every_send_whatever_the_time_does(
    steps: list[tuple[int, bool, int]],
) -> None:
    presence = Presence()
    now_ms = TODAY_MS
    sent: list[Entry] = []

    for client, is_here, passed_ms in steps:
        now_ms += passed_ms
        entry = (
            presence.show(client, {}, ANN, now_ms) if is_here else presence.leave(client, now_ms)
        )
        sent += [entry] if entry is not None else []

    assert all(earlier.clock < later.clock for earlier, later in pairwise(sent))
    assert all(is_echo(entry) for entry in sent)


def test_a_restarted_server_goes_on_above_what_it_sent_before() -> None:
    before = Presence()
    sent = [before.show(7, {}, ANN, TODAY_MS + second * 1000) for second in range(50)]

    again = Presence().show(7, {}, ANN, TODAY_MS + 50_000)

    assert again.clock > max(entry.clock for entry in sent)


def test_clocks_that_clients_count_are_no_echoes() -> None:
    assert not is_echo(Entry(7, 0, "{}"))
    assert not is_echo(Entry(7, 10**9, "{}"))
    assert is_echo(Entry(7, TODAY_MS, "{}"))


def test_a_state_is_signed_with_who_the_token_names() -> None:
    state: dict[str, Any] = {"user": {"name": "God", "id": "other", "color": "red"}, "cursor": [1]}

    entry = Presence().show(7, state, ANN, TODAY_MS)

    assert json.loads(entry.state) == {
        "user": {"id": "id-of-ann", "name": "Ann", "role": "user", "color": "red"},
        "cursor": [1],
    }
    assert state["user"]["name"] == "God"


def test_a_state_without_a_user_or_with_nonsense_for_one_is_signed_too() -> None:
    for state in ({}, {"user": 5}, {"user": None}, {"user": ["x"]}):
        entry = Presence().show(7, dict(state), ANN, TODAY_MS)

        user = json.loads(entry.state)["user"]
        assert user == {"id": "id-of-ann", "name": "Ann", "role": "user"}


def test_everyone_is_who_is_here_but_the_asker() -> None:
    presence = Presence()
    for client in (1, 2, 3):
        presence.show(client, {"n": client}, ANN, TODAY_MS)
    presence.leave(2, TODAY_MS)

    assert [entry.client for entry in presence.everyone(TODAY_MS, without=None)] == [1, 3]
    assert [entry.client for entry in presence.everyone(TODAY_MS, without=1)] == [3]


def test_who_leaves_is_announced_once() -> None:
    presence = Presence()
    presence.show(7, {}, ANN, TODAY_MS)

    gone = presence.leave(7, TODAY_MS)

    assert gone is not None and (gone.client, gone.state) == (7, GONE)
    assert presence.leave(7, TODAY_MS) is None
