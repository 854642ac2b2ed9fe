"""The proxy of the docs: nginx with TLS in front of a server, as the page configures it."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import ssl
import subprocess
from typing import TYPE_CHECKING

import pytest
from websockets.asyncio.client import connect

from tests.docs.pages import block, page
from tests.support import wire
from tests.support.driver import WAIT_S, need
from tests.support.raw import RawClient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.server import Server

_AROUND = """\
daemon off;
pid {folder}/nginx.pid;
error_log stderr notice;
events {{}}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {block}
}}
"""


class Proxy:
    """nginx on a free port, with a certificate of its own making."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self.trust = ssl.create_default_context(cafile=folder / "certificate.pem")
        self._log = folder / "access.log"
        self._process = subprocess.Popen(
            ["nginx", "-e", "stderr", "-c", folder / "nginx.conf"],
            stderr=subprocess.PIPE,
            text=True,
        )
        self._said = self._until("start worker processes")

    def stop(self) -> str:
        """Let it finish what it does; what it has logged."""
        self._process.send_signal(signal.SIGQUIT)
        self._said += self._until("exit")
        assert self._process.wait(WAIT_S) == 0, self._said
        return self._log.read_text()

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
        assert self._process.stderr is not None
        self._process.stderr.close()

    def _until(self, event: str) -> str:
        assert self._process.stderr is not None
        said = ""
        for line in self._process.stderr:
            said += line
            if re.search(rf": {event}$", line):
                return said
        raise AssertionError(f"nginx ended: {said}")


@pytest.fixture
def proxy(server: Server, tmp_path: Path) -> Iterator[Proxy]:
    if shutil.which("nginx") is None or shutil.which("openssl") is None:
        need("nginx and openssl are not installed")
    with socket.socket() as held:
        # Bound and not listening, it keeps others away and lets nginx in.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        _make_certificate(tmp_path)
        (tmp_path / "nginx.conf").write_text(_config(tmp_path, port, server.port))
        proxy = Proxy(tmp_path, port)
        yield proxy
        proxy.close()


def _make_certificate(folder: Path) -> None:
    subject = ["-subj", "/CN=rooms.example.org", "-addext", "subjectAltName=DNS:rooms.example.org"]
    files = ["-keyout", f"{folder}/key.pem", "-out", f"{folder}/certificate.pem"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    subprocess.run([*command, *subject, *files], check=True, capture_output=True)


def _config(folder: Path, port: int, server_port: int) -> str:
    """What the page says, with the places of this test."""
    text = block(page("docs/operations.md"), "nginx")
    for told, here in {
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl reuseport;",
        "/etc/ssl/rooms.example.org.pem": f"{folder}/certificate.pem",
        "/etc/ssl/rooms.example.org.key": f"{folder}/key.pem",
        "/var/log/nginx/rooms.log": f"{folder}/access.log",
        "http://127.0.0.1:8420": f"http://127.0.0.1:{server_port}",
    }.items():
        assert text.count(told) == 1, told
        text = text.replace(told, here)
    assert not re.search(r"\b(443|8420)\b", text)
    return _AROUND.format(folder=folder, block=text)


async def test_an_editor_reaches_a_room_through_tls_and_its_token_is_not_logged(
    server: Server, proxy: Proxy
) -> None:
    token = server.token()
    url = f"wss://rooms.example.org:{proxy.port}/yjs/demo/notes.md?token={token}"

    socket = await connect(
        url, host="127.0.0.1", ssl=proxy.trust, compression=None, ping_interval=None, proxy=None
    )
    async with RawClient(socket) as client:
        await client.send(wire.step1())
        await client.first("step2")

    logged = proxy.stop()
    assert "/yjs/demo/notes.md" in logged
    assert token not in logged
