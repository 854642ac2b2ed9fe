"""The log: what each line tells, in both forms, and what none of them ever holds."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import ConnectionClosed

from syncroom.logs import ConsoleFormatter, JsonFormatter, about, log_to_stderr
from tests.support import wire
from tests.support.editor import Editor
from tests.support.raw import RawClient, joined, refusal
from tests.support.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJuYW1lIjoiYW5uIn0.c2lnbmF0dXJlLW9mLXNvbWVib2R5"


class JsonServer(Server):
    """A server whose log is JSON."""

    def _environment(self) -> dict[str, str]:
        return super()._environment() | {"SYNCROOM_LOG_FORMAT": "json"}

    def lines(self) -> list[dict[str, Any]]:
        lines = (line for line in self.logs().splitlines() if line.startswith("{"))
        return [json.loads(line) for line in lines]

    def said(self, message: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line["message"].startswith(message)]


@pytest.fixture
def json_server(tmp_path: Path) -> Iterator[JsonServer]:
    server = JsonServer(tmp_path / "data", refusal_s=0.01, idle_document_s=0.01)
    server.start()
    yield server
    server.close()


def record(message: str, *args: object, **fields: object) -> logging.LogRecord:
    made = logging.makeLogRecord({"name": "syncroom.test", "levelno": 20, "levelname": "INFO"})
    made.msg, made.args = message, args
    made.__dict__.update(about(**fields))
    return made


def failed() -> logging.LogRecord:
    made = record("incident %s", "1a2b", room="demo")
    try:
        raise ValueError(f"what a library says of {JWT}")
    except ValueError:
        made.exc_info = sys.exc_info()
    return made


def test_a_console_line_is_time_level_part_message_and_fields() -> None:
    line = ConsoleFormatter().format(record("joined", room="demo", path="a b", seconds=1.5))

    assert line.split(" ", 2)[2] == 'INFO    syncroom.test: joined room=demo path="a b" seconds=1.5'


def test_a_json_line_has_the_same_as_fields() -> None:
    line = json.loads(JsonFormatter().format(record("joined %s", "twice", room="demo", code=1)))

    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "syncroom.test",
        "message": "joined twice",
        "room": "demo",
        "code": 1,
    }


@pytest.mark.parametrize("form", [ConsoleFormatter, JsonFormatter])
@pytest.mark.parametrize("name", ["a\nb", "a\r\n2026 forged line", "\x1b[31m", "\u2028", "\udcff"])
def test_a_line_is_one_line_whatever_a_client_calls_itself(
    form: Callable[[], logging.Formatter], name: str
) -> None:
    line = form().format(record("said: %s", name, name=name))

    assert len(line.splitlines()) == 1
    assert "\x1b" not in line


@pytest.mark.parametrize("form", [ConsoleFormatter, JsonFormatter])
def test_what_looks_like_a_token_is_blotted_out_wherever_it_stands(
    form: Callable[[], logging.Formatter],
) -> None:
    lines = [
        form().format(record(f"refused {JWT}", path=f"/notes/{JWT[:60]}", reason=JWT)),
        form().format(failed()),
    ]

    for line in lines:
        assert "<token>" in line
        assert not any(part in line for part in JWT.split("."))


@pytest.mark.parametrize("form", [ConsoleFormatter, JsonFormatter])
def test_an_incident_carries_its_trace(form: Callable[[], logging.Formatter]) -> None:
    assert "ValueError" in form().format(failed())


async def test_the_life_of_a_client_is_told_with_who_and_where(json_server: JsonServer) -> None:
    ann = Editor()
    await ann.connect(json_server.document_url("notes", json_server.token(name="Ann \N{SNOWMAN}")))
    ann.insert(0, "top secret content")
    await ann.flush()
    await ann.until_acknowledged()
    await ann.disconnect()

    json_server.terminate()

    (joined_line,) = json_server.said("joined")
    (left,) = json_server.said("left")
    where = {"room": "demo", "path": "notes", "address": "127.0.0.1", "name": "Ann \N{SNOWMAN}"}
    assert joined_line.items() >= where.items()
    assert (
        left.items() >= (where | {"updates": 1, "participant": joined_line["participant"]}).items()
    )
    assert left["bytes"] > len("top secret content")
    assert left["seconds"] >= 0
    assert "top secret content" not in json_server.logs()


async def test_the_life_of_a_document_and_of_the_server_is_told(json_server: JsonServer) -> None:
    async with joined(json_server.document_url("notes", json_server.token())):
        pass
    while not json_server.said("unloaded a document"):
        async with joined(json_server.document_url("other", json_server.token())):
            pass
    async with joined(json_server.document_url("other", json_server.token())):
        json_server.terminate()

    (loaded, *_) = json_server.said("loaded a document")
    assert (loaded["room"], loaded["path"], loaded["level"]) == ("demo", "notes", "info")
    assert loaded["bytes"] == 0
    assert [line["connections"] for line in json_server.said("drain started")] == [1]
    assert len(json_server.said("drain ended")) == 1


async def test_a_refusal_is_told_with_its_code_and_why(json_server: JsonServer) -> None:
    await refusal(json_server.document_url("notes", None))
    await refusal(json_server.document_url("notes", json_server.token(sync=[])))

    json_server.terminate()

    unknown, known = json_server.said("refused a client")
    assert (unknown["code"], unknown["room"], unknown["path"]) == (4401, "demo", "notes")
    assert "participant" not in unknown
    assert (known["code"], known["name"]) == (4403, "ann")
    assert "token" in unknown["message"]


async def test_lines_of_libraries_have_the_same_form(json_server: JsonServer) -> None:
    json_server.terminate()

    assert any(line["logger"].startswith("uvicorn") for line in json_server.lines())
    others = [line for line in json_server.logs().splitlines() if not line.startswith("{")]
    assert others == [f"syncroom listening on {json_server.url}"]


def test_libraries_tell_of_no_request_with_its_url_and_headers() -> None:
    log_to_stderr("debug", "console")

    assert not logging.getLogger("httpx").isEnabledFor(logging.INFO)
    assert not logging.getLogger("httpcore.http11").isEnabledFor(logging.DEBUG)


async def test_no_token_stands_in_any_line_of_a_busy_run(json_server: JsonServer) -> None:
    server = json_server
    tokens = [
        server.token(),
        server.token(name="ben", sync=["notes:ro"]),
        server.token(ttl=-3600),
        server.token(room="elsewhere"),
        server.token(sync=[]),
        server.token(secret="x" * 40),
    ]
    for token in tokens:
        async with await RawClient.open(server.document_url("notes", token)) as client:
            with suppress(ConnectionClosed):
                await client.send(
                    wire.step1(), wire.update(b"\x01"), b"\x09", wire.update(bytes(99))
                )
        await refusal(f"{server.yjs_url()}/{token}")
        await refusal(f"{server.ws_url}/yjs/{token}/notes?token={token}&token={token}")
        await refusal(f"{server.yjs_url()}/..%2f{token}?token={token}")
        await refusal(server.document_url("notes", None), bearer=token + "x")

    server.terminate()

    logs = server.logs()
    assert len(server.said("refused a client")) >= 4 * len(tokens)
    for token in tokens:
        for part in (token, *token.split(".")[1:]):
            assert part not in logs
