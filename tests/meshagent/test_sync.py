"""Documents with a schema that both SDKs and Yjs providers edit, and that outlive the server."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from tests.meshagent.sdk import PAGE
from tests.support.driver import ClientError

if TYPE_CHECKING:
    from tests.meshagent.conftest import Join
    from tests.meshagent.sdk import JSON, Sdk
    from tests.support.node import NodeDriver
    from tests.support.server import Server

PATH = "notes/plan.page"
EMPTY: JSON = {"page": {"blocks": []}}


def page(*blocks: JSON) -> JSON:
    return {"page": {"blocks": list(blocks)}}


def text(inserted: str) -> JSON:
    """As the SDKs show it, who do not show the formats of what is typed into an empty text."""
    delta = [{"insert": inserted, "attributes": {}}]
    return {"text": {"content": [{"text": {"delta": delta}}]}}


HEADING: JSON = {"heading": {"title": "Plan", "level": 1}}


async def test_who_opens_a_document_later_gets_its_schema_and_content(
    pair: tuple[Sdk, Sdk], join: Join
) -> None:
    one, other = pair
    ann, ben = await join(one, "ann"), await join(other, "ben")

    first = await ann.open(PATH, PAGE)
    await ann.append(PATH, HEADING)
    await ann.content_is(PATH, page(HEADING))
    await ann.shut(PATH)
    second = await ben.open(PATH, create=False)

    assert first["content"] == EMPTY
    assert second["content"] == page(HEADING)
    assert second["schema"] == first["schema"]


async def test_the_same_document_is_found_under_each_spelling_of_its_path(
    pair: tuple[Sdk, Sdk], join: Join
) -> None:
    one, other = pair
    ann, ben = await join(one, "ann"), await join(other, "ben")
    await ann.open(f"/{PATH}", PAGE)
    await ann.append(f"/{PATH}", HEADING)

    await ben.open(f"./{PATH}", create=False)

    await ben.content_is(f"./{PATH}", page(HEADING))


async def test_each_sees_what_the_other_does(pair: tuple[Sdk, Sdk], join: Join) -> None:
    one, other = pair
    ann, ben = await join(one, "ann"), await join(other, "ben")
    for each in (ann, ben):
        await each.open(PATH, PAGE)

    await ann.append(PATH, {"item": {"title": "one", "items": []}})
    await ben.has_children(PATH, 1)
    await ben.assign(PATH, (0,), "done", True)
    await ben.append(PATH, {"item": {"title": "inner", "items": []}}, at=(0,))
    await ann.content_is(
        PATH,
        page(
            {
                "item": {
                    "title": "one",
                    "done": True,
                    "items": [{"item": {"title": "inner", "items": []}}],
                }
            }
        ),
    )
    await ann.delete(PATH, (0, 0))
    await ann.append(PATH, HEADING)

    expected = page({"item": {"title": "one", "done": True, "items": []}}, HEADING)
    await ben.content_is(PATH, expected)
    await ann.content_is(PATH, expected)


async def test_initial_content_is_written_once(pair: tuple[Sdk, Sdk], join: Join) -> None:
    one, other = pair
    ann, ben = await join(one, "ann"), await join(other, "ben")

    opened = await asyncio.gather(
        ann.open(PATH, PAGE, content=page(HEADING)),
        ben.open(PATH, PAGE, content=page(HEADING)),
    )

    assert [each["content"] for each in opened] == [page(HEADING), page(HEADING)]


async def test_what_the_server_wrote_is_not_doubled_by_who_opens_it(
    pair: tuple[Sdk, Sdk], join: Join
) -> None:
    one, other = pair
    ann, ben = await join(one, "ann"), await join(other, "ben")

    await ann.open(PATH, PAGE, content=page(HEADING))
    await ann.shut(PATH)

    assert (await ben.open(PATH))["content"] == page(HEADING)


async def test_a_document_that_is_not_there_is_not_opened_unless_made(sdk: Sdk, join: Join) -> None:
    ann = await join(sdk, "ann")

    with pytest.raises(ClientError) as missing:
        await ann.open(PATH, PAGE, create=False)

    assert missing.value.code == 1003


async def test_a_document_without_a_schema_is_not_made(sdk: Sdk, join: Join) -> None:
    ann = await join(sdk, "ann")

    with pytest.raises(ClientError, match="schema"):
        await ann.open("notes/plan.unknown")


async def test_a_document_is_described_as_json(python: Sdk, join: Join) -> None:
    ann = await join(python, "ann")
    await ann.open(PATH, PAGE)
    await ann.append(PATH, HEADING)
    await ann.append(PATH, {"text": {}})
    await ann.insert(PATH, (1, 0), 0, "Water the plants")
    await ann.shut(PATH)

    described = await ann.describe(PATH)

    assert described == page(HEADING, text("Water the plants"))


async def test_a_document_is_made_once(python: Sdk, join: Join) -> None:
    ann = await join(python, "ann")
    await ann.create(PATH, PAGE, page(HEADING))

    with pytest.raises(ClientError) as existing:
        await ann.create(PATH, PAGE, page(HEADING))

    assert existing.value.code == 1004
    assert (await ann.open(PATH, create=False))["content"] == page(HEADING)


async def test_edits_of_both_sdks_and_a_yjs_provider_at_once_end_in_one_document(
    python: Sdk,
    javascript: Sdk,
    node: NodeDriver,
    join: Join,
    shared_server: Server,
    room: str,
) -> None:
    ann, ben = await join(python, "ann"), await join(javascript, "ben")
    for each in (ann, ben):
        await each.open(PATH, PAGE)
    carl = await node.open(shared_server.yjs_url(room), PATH, token=shared_server.token(room=room))
    await carl.synced()

    async def append(by: str) -> None:
        for number in range(10):
            heading = {"heading": {"title": f"{by} {number}", "level": number}}
            await (ann if by == "ann" else ben).append(PATH, heading)

    async def append_with_yjs() -> None:
        for number in range(10):
            attributes: JSON = {"$id": f"carl-{number}", "title": f"carl {number}", "level": number}
            await carl.element("heading", attributes=attributes)

    await asyncio.gather(append("ann"), append("ben"), append_with_yjs())
    await ann.has_children(PATH, 30)
    await ben.has_children(PATH, 30)
    content = await ann.content(PATH)
    await ben.content_is(PATH, content)
    await carl.has_elements(30)

    titles = [block["heading"]["title"] for block in content["page"]["blocks"]]
    for by in ("ann", "ben", "carl"):
        assert [each for each in titles if each.startswith(by)] == [f"{by} {n}" for n in range(10)]
    xml = (await carl.content(fragments=["xml"]))["fragments"]["xml"]
    assert re.findall(r'title="([^"]*)"', xml) == titles
    await carl.close()


async def test_text_is_shared_with_yjs_providers_and_formats_are_kept(
    pair: tuple[Sdk, Sdk], join: Join, node: NodeDriver, shared_server: Server, room: str
) -> None:
    one, other = pair
    ann, ben = await join(one, "ann"), await join(other, "ben")
    for each in (ann, ben):
        await each.open(PATH, PAGE)
    carl = await node.open(shared_server.yjs_url(room), PATH, token=shared_server.token(room=room))
    await carl.synced()
    await ann.append(PATH, {"text": {}})
    await ben.has_children(PATH, 1)
    await carl.has_elements(1)

    await ann.insert(PATH, (0, 0), 0, "bold", bold={})
    await ben.content_is(PATH, page(text("bold")))
    await carl.write([0, 0], " and more")

    for each in (ann, ben):
        await each.content_is(PATH, page(text("bold and more")))
    xml = (await carl.content(fragments=["xml"]))["fragments"]["xml"]
    assert "><bold>bold and more</bold></text>" in xml
    await carl.close()


async def test_a_document_outlives_the_server(
    pair: tuple[Sdk, Sdk], join: Join, server: Server
) -> None:
    one, other = pair
    ann = await join(one, "ann", server=server)
    await ann.open(PATH, PAGE)
    await ann.append(PATH, HEADING)
    await ann.shut(PATH)
    await ann.close()
    server.restart()

    ben = await join(other, "ben", server=server)

    assert (await ben.open(PATH, create=False))["content"] == page(HEADING)


async def test_one_connection_may_have_many_documents_open(sdk: Sdk, join: Join) -> None:
    ann = await join(sdk, "ann")

    for number in range(10):
        await ann.open(f"many/{number}.page", PAGE, content=page(HEADING))
    for number in range(0, 10, 2):
        await ann.shut(f"many/{number}.page")
    await ann.append("many/1.page", HEADING)

    await ann.content_is("many/1.page", page(HEADING, HEADING))
    assert (await ann.open("many/0.page", create=False))["content"] == page(HEADING)
