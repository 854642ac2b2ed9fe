"""Finding what ends a host, and documents without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from syncroom.document import plain
from syncroom.document.culprit import Piece, find_culprit, read_piece, without
from syncroom.document.host import ViewHosts
from syncroom.document.log import merge
from syncroom.document.opened import Opened
from syncroom.limits import Limits
from tests.support.again import TooSlow, unless_slow_again
from tests.support.editor import Editor
from tests.support.poison import poison

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DEPTH = 64
LIMITS = Limits(view_cpu_s=0.2)


@pytest.fixture
async def hosts() -> AsyncIterator[ViewHosts]:
    made = ViewHosts(LIMITS)
    yield made
    await made.close()


def honest(count: int) -> list[bytes]:
    """What somebody typed, an update for each word."""
    editor = Editor(client_id=1)
    for number in range(count):
        editor.insert(len(editor.text()), f"{number} ")
    return editor.made


def pieces(updates: list[bytes]) -> list[Piece]:
    return [read_piece([data], DEPTH) for data in updates]


def content(data: bytes) -> dict[str, Any]:
    return plain.content(Opened(data, DEPTH))


def test_a_document_without_a_record_lacks_it_and_what_builds_on_it() -> None:
    updates = [*honest(3), poison()]

    rest = without(merge(updates), [pieces(updates)[1]], DEPTH)

    assert content(without(rest, [pieces(updates)[3]], DEPTH)) == {"text": "0 "}


def test_a_deletion_is_left_out_too() -> None:
    editor = Editor(client_id=1)
    editor.insert(0, "hello")
    editor.delete(0, 4)
    editor.delete(0, 1)

    rest = without(merge(editor.made), [pieces(editor.made)[1]], DEPTH)

    assert content(rest) == {"text": "hell"}


@pytest.mark.parametrize("at", [0, 6, 13])
async def test_the_record_that_ends_a_host_is_found_in_few_attempts(
    hosts: ViewHosts, at: int
) -> None:
    updates = honest(13)
    updates.insert(at, poison())

    found = await find_culprit(hosts, merge(updates), pieces(updates), [], LIMITS)

    assert found == at
    assert hosts.died <= 6  # log2(14) + 2


async def test_one_that_is_known_is_not_found_again(hosts: ViewHosts) -> None:
    updates = [*honest(3), poison(7), poison(8)]

    known = [pieces(updates)[3]]

    assert await find_culprit(hosts, merge(updates), pieces(updates), known, LIMITS) == 4


async def test_a_sound_document_has_no_culprit(hosts: ViewHosts) -> None:
    updates = honest(3)

    assert await find_culprit(hosts, merge(updates), pieces(updates), [], LIMITS) is None


async def test_a_document_that_is_merely_large_has_none_either() -> None:
    tight = Limits(view_cpu_s=0.05)
    updates = honest(8000)

    async def look() -> None:
        hosts = ViewHosts(tight)
        found = await find_culprit(hosts, merge(updates), pieces(updates), [], tight)
        died = hosts.died
        await hosts.close()
        assert died > 0
        if found is not None:  # so little time is soon stolen from a host
            raise TooSlow(f"record {found} is taken for too much")

    await unless_slow_again(look)
