"""The page that the server serves, in a real browser: what a person sees and can do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest_asyncio

from tests.browser.chromium import Chromium

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.browser.chromium import Page
    from tests.support.server import Server

EDITOR = ".cm-content"


@pytest_asyncio.fixture
async def chromium() -> AsyncIterator[Chromium]:
    browser = await Chromium.start()
    yield browser
    await browser.close()


def link(server: Server, token: str, *, room: str = "demo", path: str | None = None) -> str:
    place = {"room": room, "token": token} | ({} if path is None else {"path": path})
    return f"{server.url}/#{urlencode(place)}"


async def test_two_people_type_at_once_and_each_sees_the_others_words_and_cursor(
    server: Server, chromium: Chromium
) -> None:
    ann = await chromium.open("ann", link(server, server.token(name="Ann"), path="notes.md"))
    ben = await chromium.open("ben", link(server, server.token(name="Ben"), path="notes.md"))
    await ann.type("\n")
    await ben.read("\n")

    await asyncio.gather(
        ann.type("Ann writes the first line of it.", at="Home"),
        ben.type("Ben writes the last line of it.", at="End"),
    )

    words = ("Ann writes the first line of it.", "Ben writes the last line of it.")
    assert await ann.read(*words) == await ben.read(*words)
    await ann.see(".caret-name", "Ben")
    await ben.see(".caret-name", "Ann")


async def test_the_page_shows_who_is_in_the_room_and_who_in_the_document(
    server: Server, chromium: Chromium
) -> None:
    ann = await chromium.open("ann", link(server, server.token(name="Ann"), path="notes.md"))
    await ann.see("#people li", "Ann (you)")
    await ann.type("Here.")
    await ann.saved()
    bot = server.token(name="Summary bot", role="agent")
    ben = await chromium.open("ben", link(server, bot, path="plan.md"))

    await ann.see("#people li", "Summary bot")
    await ann.see("#people .tag", "agent")
    await ben.click("#documents button", "notes.md")
    await ann.see("#here", "Summary bot")
    await ben.go_to("about:blank")
    await ann.unsee("#people li", "Summary bot")
    await ann.unsee("#here", "Summary bot")


async def test_a_read_only_link_shows_what_happens_and_takes_no_keys(
    server: Server, chromium: Chromium
) -> None:
    reading = server.token(name="Ben", sync=["notes.md:ro"])
    ann = await chromium.open("ann", link(server, server.token(name="Ann"), path="notes.md"))
    await ann.type("Written by Ann.")
    await ann.saved()
    ben = await chromium.open("ben", link(server, reading, path="notes.md"))
    await ben.read("Written by Ann.")

    await ben.see("#read-only", "Read only")
    await ben.see(f"{EDITOR}[contenteditable=false]")
    await ben.press(EDITOR, "x", "Enter", "Delete", "Control+v")
    await ann.type(" More by Ann.", at="End")

    assert await ben.read("Written by Ann. More by Ann.") == "Written by Ann. More by Ann."
    assert await ann.read() == "Written by Ann. More by Ann."


async def test_what_the_page_calls_saved_is_there_after_the_server_was_killed(
    server: Server, chromium: Chromium
) -> None:
    ann = await chromium.open("ann", link(server, server.token(name="Ann"), path="notes.md"))
    await ann.type("Kept through a power cut.")
    await ann.saved()
    server.kill()
    await ann.see("#save-state", "Offline")
    server.start()

    ben = await chromium.open("ben", link(server, server.token(name="Ben"), path="notes.md"))
    assert await ben.read("Kept") == "Kept through a power cut."


async def test_what_was_typed_while_the_server_was_away_arrives_when_it_is_back(
    server: Server, chromium: Chromium
) -> None:
    ann = await chromium.open("ann", link(server, server.token(name="Ann"), path="notes.md"))
    await ann.type("Before.")
    await ann.saved()
    assert server.terminate() == 0
    await ann.see("#save-state", "Offline, reconnecting")
    await ann.type(" Meanwhile.")
    await ann.press(EDITOR, "Control+Home", "Delete")
    await ann.see("#save-state", "not saved yet")

    server.start()
    await ann.saved()
    server.restart()
    await ann.saved()
    ben = await chromium.open("ben", link(server, server.token(name="Ben"), path="notes.md"))
    assert await ben.read("Meanwhile") == await ann.read() == "efore. Meanwhile."


async def test_what_was_typed_offline_is_saved_though_another_document_was_opened(
    server: Server, chromium: Chromium
) -> None:
    ann = await chromium.open("ann", link(server, server.token(name="Ann"), path="notes.md"))
    await ann.type("Before.")
    await ann.saved()
    assert server.terminate() == 0
    await ann.see("#save-state", "Offline")
    await ann.type(" Meanwhile.")
    await ann.fill("#new-path", "plan.md")
    await ann.press("#new-path", "Enter")
    await ann.see("#document-name", "plan.md")

    server.start()
    ben = await chromium.open("ben", link(server, server.token(name="Ben"), path="notes.md"))

    assert await ben.read("Meanwhile") == "Before. Meanwhile."
    await ben.unsee("#here li", "Ann")


async def test_undo_takes_back_only_what_this_page_wrote(
    server: Server, chromium: Chromium
) -> None:
    ann = await chromium.open("ann", link(server, server.token(name="Ann"), path="notes.md"))
    ben = await chromium.open("ben", link(server, server.token(name="Ben"), path="notes.md"))
    await ann.type("ann")
    await ben.read("ann")
    await ben.type("ben", at="End")
    await ann.read("annben")

    await ann.press(EDITOR, "Control+z")

    await ben.see(".cm-line", "ben")
    assert await ann.read("ben") == "ben"


async def test_a_new_document_is_made_by_its_name_and_listed_for_the_others(
    server: Server, chromium: Chromium
) -> None:
    ann = await chromium.open("ann", link(server, server.token(name="Ann")))
    ben = await chromium.open("ben", link(server, server.token(name="Ben")))
    await ann.see("#message", "No documents yet")

    await ann.fill("#new-path", "../escape.md")
    await ann.press("#new-path", "Enter")
    await ann.see("#new-problem", "cannot hold")
    await ann.fill("#new-path", "plans/日記 å & co?.md")
    await ann.press("#new-path", "Enter")
    await ann.type("Planned.")
    await ann.saved()

    await ben.click("#documents button", "日記 å & co?.md")
    assert await ben.read("Planned.") == "Planned."


async def test_a_document_that_the_token_does_not_grant_is_refused_with_the_reason(
    server: Server, chromium: Chromium
) -> None:
    token = server.token(name="Ann", sync=["notes.md"])

    ann = await chromium.open("ann", link(server, token, path="secret.md"))

    await ann.see("#message", "The server does not open this document")
    await ann.see("#message", "does not permit")


async def test_words_that_the_server_does_not_take_are_never_called_saved(
    server: Server, chromium: Chromium
) -> None:
    token = server.token(name="Ann", sync=["notes.md:ro"])
    ann = await chromium.open("ann", link(server, token, path="notes.md"))

    # The document does not exist yet, so the page can't know that it may only be read.
    await ann.type("lost")

    await ann.see("#save-state", "Not saved")
    await ann.see("#notice", "read only")


async def test_a_visitor_without_a_good_token_is_asked_for_one(
    server: Server, chromium: Chromium
) -> None:
    ann = await chromium.open("ann", f"{server.url}/")
    await ann.see("#join-help", "syncroom token create --room demo --name Ann")

    await _join(ann, "demo", server.token(name="Ann", ttl=-3600))
    await ann.see("#join-problem", "expired")
    await _join(ann, "demo", link(server, server.token(name="Ann")))
    await ann.see("#message", "No documents yet")


async def _join(page: Page, room: str, token: str) -> None:
    await page.fill("#join-room", room)
    await page.fill("#join-token", token)
    await page.click("#join-form button")
