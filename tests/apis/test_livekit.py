"""Calls on LiveKit: who is let in, to which call, for how long."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import jwt
import pytest
from livekit.api import TokenVerifier, VideoGrants
from pydantic import SecretStr

from syncroom.apis.livekit import Livekit
from syncroom.auth.scopes import ApiScope, LivekitGrant
from syncroom.backends import Backends
from syncroom.limits import Limits
from tests.apis.fakes import FakeCaller, ask

URL, KEY, SECRET = "wss://livekit.example.org", "APIkey", "the secret of that key, 32 bytes or more"
LIMITS = Limits(call_token_s=60)
BACKENDS = Backends(livekit_url=URL, livekit_key=KEY, livekit_secret=SecretStr(SECRET))


def connect(
    caller: FakeCaller, backends: Backends = BACKENDS, room: str = "demo", **request: Any
) -> Any:
    answer = ask(Livekit(room, backends, LIMITS), "connect", caller, request).answer
    return answer.get("json", answer)


def claims(token: str) -> dict[str, Any]:
    read: dict[str, Any] = jwt.decode(token, SECRET, algorithms=["HS256"])
    return read


def test_a_participant_gets_into_the_call_of_its_room_under_its_own_id() -> None:
    ann = FakeCaller("ann")
    before = int(time.time())

    answer = connect(ann, breakout_room=None)

    said = claims(answer["token"])
    assert answer["url"] == URL
    assert (said["iss"], said["sub"], said["name"]) == (KEY, ann.id, "ann")
    assert said["video"] == {"roomJoin": True, "room": "demo"}
    assert before + 60 <= said["exp"] <= int(time.time()) + 60


def test_livekits_own_verifier_takes_the_token_and_reads_who_comes_to_which_call() -> None:
    ann = FakeCaller("ann")
    token = connect(ann, breakout_room="one")["token"]

    read = TokenVerifier(KEY, SECRET).verify(token)

    assert (read.identity, read.name) == (ann.id, "ann")
    assert read.video == VideoGrants(room_join=True, room="demo/one")
    with pytest.raises(jwt.InvalidSignatureError):
        TokenVerifier(KEY, f"not {SECRET}").verify(token)


def test_a_token_for_a_call_ends_with_its_participants_own() -> None:
    ann = FakeCaller("ann")
    ann.participant = replace(ann.participant, expires_at=time.time() + 10)

    said = claims(connect(ann)["token"])

    assert said["exp"] <= time.time() + 10


def test_breakout_rooms_are_joined_by_grant() -> None:
    ann = FakeCaller("ann", ApiScope(livekit=LivekitGrant(breakout_rooms=["one"])))

    one = connect(ann, breakout_room="one")
    other = connect(ann, breakout_room="other")

    assert claims(one["token"])["video"]["room"] == "demo/one"
    assert other["code"] == 1001
    assert "token" in connect(ann)


def test_no_two_calls_have_one_name() -> None:
    ann = FakeCaller("ann")
    calls = [("a", "b/c"), ("a/b", "c"), ("a/b/c", None), ("a%2Fb", "c"), ("a", "b")]

    tokens = [connect(ann, room=room, breakout_room=name)["token"] for room, name in calls]

    assert len({claims(each)["video"]["room"] for each in tokens}) == len(calls)


@pytest.mark.parametrize("missing", ["livekit_url", "livekit_key", "livekit_secret"])
def test_without_livekit_it_says_what_to_configure(missing: str) -> None:
    answer = connect(FakeCaller("ann"), BACKENDS.model_copy(update={missing: None}))

    assert answer["code"] == 1007
    assert "SYNCROOM_BACKENDS__LIVEKIT_URL" in answer["text"]
