"""Token endpoints: those that are configured are called, and what they answer is taken as it is."""

from __future__ import annotations

import asyncio
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from syncroom.errors import Misconfigured, Unavailable
from syncroom.token_endpoints import ConfiguredEndpoints

if TYPE_CHECKING:
    from collections.abc import Iterator


class Endpoint:
    """A token endpoint that answers what it is told to."""

    def __init__(self) -> None:
        self.answer = 200, b'{"access_token": "t"}'
        self.forms: list[dict[str, list[str]]] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                endpoint.forms.append(urllib.parse.parse_qs(body))
                status, answer = endpoint.answer
                self.send_response(status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/token"
        self._serving = threading.Thread(target=self.server.serve_forever)
        self._serving.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._serving.join()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    endpoint = Endpoint()
    yield endpoint
    endpoint.close()


async def test_a_form_is_posted_and_its_answer_returned(endpoint: Endpoint) -> None:
    endpoints = ConfiguredEndpoints([endpoint.url])

    endpoints.check(endpoint.url)
    answer = await endpoints.redeem(endpoint.url, {"code": "a b", "client_id": "c"})

    assert answer == {"access_token": "t"}
    assert endpoint.forms == [{"code": ["a b"], "client_id": ["c"]}]


def test_only_the_very_url_that_is_configured_is_good() -> None:
    endpoints = ConfiguredEndpoints(["https://id.example.org/token"])

    for url in ("https://id.example.org/token/", "https://id.example.org/token?x", "http://x"):
        with pytest.raises(Misconfigured, match="oauth_token_endpoints"):
            endpoints.check(url)


@pytest.mark.parametrize(
    "answer", [(400, b'{"error": "invalid_grant"}'), (302, b""), (500, b""), (200, b"<html>")]
)
async def test_any_other_answer_is_an_error(endpoint: Endpoint, answer: tuple[int, bytes]) -> None:
    endpoint.answer = answer

    with pytest.raises(Unavailable, match=r"token endpoint at 127\.0\.0\.1 answered"):
        await ConfiguredEndpoints([endpoint.url]).redeem(endpoint.url, {"code": "c"})
    assert len(endpoint.forms) == 1


async def test_an_endpoint_that_is_not_there_is_an_error(endpoint: Endpoint) -> None:
    await asyncio.to_thread(endpoint.server.server_close)

    with pytest.raises(Unavailable, match="can't be reached"):
        await ConfiguredEndpoints([endpoint.url]).redeem(endpoint.url, {"code": "the code"})
