"""Who comes in: what the hook says counts, and where it says nothing the token does."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from starlette.datastructures import Headers

from syncroom.admission import Admission
from syncroom.auth.keys import KEY_ENTROPY_BYTES, Keyring, encode_api_key, mint_api_key
from syncroom.auth.participant import Participant
from syncroom.auth.token import ParticipantToken
from syncroom.auth.visitor import Visitor
from syncroom.errors import Denied, HookFailed, Unauthenticated, Unavailable
from syncroom.hooks import Hooks
from syncroom.limits import Limits
from tests.support import tokens

if TYPE_CHECKING:
    from syncroom.hooks import Authenticate

SECRET = "a secret of these tests, long enough: 0123456789"
BEN = Participant("7", "ben")


def _admission(hook: Authenticate | None = None, **limits: float) -> Admission:
    bounds = Limits.model_validate(limits)
    return Admission(Keyring(SECRET), bounds, Hooks(authenticate=hook))


def _visitor(token: str | None, room: str = "demo") -> Visitor:
    headers = Headers({"cookie": "sessionid=hidden"})
    return Visitor(room, "notes", token, headers, {"token": "a.b.c"}, "127.0.0.1")


def _token(room: str = "demo") -> str:
    return tokens.mint(SECRET, room=room, name="ann", role="user", api={})


async def test_without_a_hook_the_token_says_who_comes_in() -> None:
    admission = _admission()

    assert admission.is_by_token
    assert (await admission.admit(_visitor(_token()))).name == "ann"
    with pytest.raises(Denied):
        await admission.admit(_visitor(_token("other")))
    with pytest.raises(Unauthenticated):
        await admission.admit(_visitor(None))


def test_who_came_in_before_is_read_no_more_and_let_in_no_longer_than_the_token_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    admission, now = _admission(), time.time()
    visitor = _visitor(tokens.mint(SECRET, room="demo", name="ann", role="user", api={}, ttl=60))

    ann = admission.by_token(visitor)
    assert admission.by_token(visitor) is ann
    with pytest.raises(Denied):
        admission.by_token(replace(visitor, room="other"))

    assert ann.expires_at is not None
    monkeypatch.setattr(time, "time", lambda: ann.expires_at)
    with pytest.raises(Unauthenticated, match="expired"):
        admission.by_token(visitor)
    monkeypatch.setattr(time, "time", lambda: now)
    assert admission.by_token(visitor) is ann


def test_who_came_in_before_stays_out_once_the_key_is_revoked() -> None:
    key = mint_api_key(bytes(range(KEY_ENTROPY_BYTES)))
    keyring = Keyring(SECRET, [key])
    admission = Admission(keyring, Limits())
    token = ParticipantToken(name="ann")
    token.add_room_grant("demo")
    visitor = _visitor(token.to_jwt(api_key=encode_api_key(key)))

    assert admission.by_token(visitor).name == "ann"
    keyring.replace([])
    with pytest.raises(Unauthenticated):
        admission.by_token(visitor)


async def test_whom_the_hook_knows_needs_no_token() -> None:
    admission = _admission(lambda _: BEN)

    assert not admission.is_by_token
    assert await admission.admit(_visitor(None)) is BEN


async def test_whom_the_hook_does_not_know_needs_one() -> None:
    admission = _admission(lambda _: None)

    assert (await admission.admit(_visitor(_token()))).name == "ann"
    with pytest.raises(Unauthenticated):
        await admission.admit(_visitor(None))


async def test_the_hook_may_be_a_coroutine_function_and_sees_the_request() -> None:
    seen: list[Visitor] = []

    async def authenticate(visitor: Visitor) -> Participant | None:
        await asyncio.sleep(0)
        seen.append(visitor)
        return BEN if visitor.headers["Cookie"] == "sessionid=hidden" else None

    assert await _admission(authenticate).admit(_visitor(None)) is BEN
    assert (seen[0].room, seen[0].path, seen[0].address) == ("demo", "notes", "127.0.0.1")


async def test_the_hook_may_refuse() -> None:
    def authenticate(_: Visitor) -> Participant | None:
        raise Denied("not you")

    with pytest.raises(Denied, match="not you"):
        await _admission(authenticate).admit(_visitor(_token()))


async def test_a_hook_that_fails_lets_nobody_in_and_is_logged_as_an_incident(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def authenticate(_: Visitor) -> Participant | None:
        raise KeyError("no such column")

    with pytest.raises(HookFailed) as raised:
        await _admission(authenticate).admit(_visitor(_token()))

    (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    incident = str(raised.value).rpartition(" ")[2]
    assert incident in record.getMessage()
    assert record.exc_info is not None and isinstance(record.exc_info[1], KeyError)
    assert "no such column" not in str(raised.value)


async def test_a_hook_that_returns_something_else_has_failed() -> None:
    wrong: Any = lambda _: {"name": "ben"}  # noqa: E731

    with pytest.raises(HookFailed):
        await _admission(wrong).admit(_visitor(_token()))


async def test_a_hook_that_takes_too_long_has_failed() -> None:
    async def authenticate(_: Visitor) -> Participant | None:
        await asyncio.Event().wait()
        return BEN

    with pytest.raises(HookFailed):
        await _admission(authenticate, hook_s_max=0.01).admit(_visitor(_token()))


async def test_only_so_many_wait_for_the_hook_at_one_time() -> None:
    may_answer = asyncio.Event()

    async def authenticate(_: Visitor) -> Participant | None:
        await may_answer.wait()
        return BEN

    admission = _admission(authenticate, hooks_waiting_max=2)
    waiting = [asyncio.create_task(admission.admit(_visitor(None))) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await admission.admit(_visitor(None))
    may_answer.set()

    assert await asyncio.gather(*waiting, admission.admit(_visitor(None))) == [BEN] * 3


def test_a_visitor_that_is_printed_shows_no_secret() -> None:
    shown = repr(_visitor("a.b.c"))

    assert "a.b.c" not in shown
    assert "hidden" not in shown
