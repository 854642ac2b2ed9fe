"""One bit of each of a thousand records turns on the disk: no document of theirs is served."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import httpx

from syncroom.store.base import Record
from syncroom.store.check import check_rows
from syncroom.store.database import Database
from tests.protocol import craft
from tests.store.files import flip
from tests.support.raw import joined, refusal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import ServerFactory

RECORDS = 1000
INTACT = 100
HEAD_BYTES = 23
"""What stands of a record in the file before its text: time, participant, client ids, lengths."""
TAIL_BYTES = 5
"""And behind: the end of the update, and its checksum."""


def write_documents(folder: Path, texts: list[str]) -> None:
    """One document for each text, with one record."""
    database = Database(folder)
    database.open()
    for number, text in enumerate(texts):
        update = craft.update(craft.section(1, 0, craft.string(text)))
        record = Record(1_760_000_000_000 + number, "ada", (1,), (update,))
        database.write([("demo", f"{number}.md", f"{number:032x}", record, None, False, "")])
    database.close()


def turn_bits(file: Path, texts: list[str], rng: random.Random) -> None:
    """Turn a bit of the record of each text, wherever in it."""
    content = file.read_bytes()
    for text in texts:
        at = content.index(text.encode()) - HEAD_BYTES
        end = at + HEAD_BYTES + len(text) + TAIL_BYTES
        record = flip(content[at:end], rng.randrange((end - at) * 8))
        content = content[:at] + record + content[end:]
    file.write_bytes(content)


async def test_none_of_a_thousand_damaged_records_is_served_and_all_others_are(
    start_server: ServerFactory,
) -> None:
    rng = random.Random(23)
    texts = [rng.randbytes(rng.randrange(10, 60)).hex() for _ in range(RECORDS + INTACT)]
    server = start_server()
    await asyncio.to_thread(server.terminate)
    write_documents(server.data_dir, texts)
    turn_bits(server.data_dir / "syncroom.db", texts[:RECORDS], rng)

    await asyncio.to_thread(server.start)

    token = server.token()
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=60) as http:
        for number, text in enumerate(texts):
            path = f"/api/rooms/demo/documents/{number}.md"
            answer = await http.get(path, params={"format": "update"})
            if number < RECORDS:
                assert answer.json()["error"]["code"] == "damaged"
            else:
                assert text.encode() in answer.content
    _, closed = await refusal(server.document_url("0.md", token))
    assert closed[0] == 1013
    async with joined(server.document_url(f"{RECORDS}.md", token)) as reader:
        assert reader.updates()[0].count(texts[RECORDS].encode()) == 1
    await asyncio.to_thread(server.terminate)
    for number in range(0, len(texts), 20):
        findings = check_rows(server.data_dir, "demo", f"{number}.md")
        assert len(findings) == (number < RECORDS)
