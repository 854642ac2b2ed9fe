"""Files over HTTP: who may do what, and what the answers say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from syncroom import asgi_app
from syncroom.auth.keys import Keyring, encode_api_key, parse_api_key
from syncroom.auth.participant import Participant
from syncroom.auth.scopes import ApiScope
from syncroom.errors import Denied
from syncroom.limits import Limits
from syncroom.server.http.file_urls import UrlSigner
from syncroom.store.keys import KeyFile
from tests.support import tokens

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SECRET = "the-secret-of-a-server-with-files-0123456789"


class Client:
    """Somebody with an API key, and with tokens, who asks one server."""

    def __init__(self, http: httpx.AsyncClient, project: str, key: str) -> None:
        self.http = http
        self.project = project
        self.key = key
        self.files = f"/files/{project}/rooms/demo"

    async def ask(
        self, method: str, path: str = "", *, bearer: str | None = None, **options: Any
    ) -> httpx.Response:
        url = path if path.startswith(("http", "/")) else f"{self.files}/{path}"
        headers = {"Authorization": f"Bearer {bearer or self.key}"} | options.pop("headers", {})
        return await self.http.request(method, url, headers=headers, **options)

    async def presign(self, method: str, path: str, bearer: str | None = None) -> httpx.Response:
        target = {"project_id": self.project, "kind": "room", "name": "demo"}
        wanted = {"target": target, "path": path, "method": method, "expires_in": 60}
        return await self.ask("POST", "/files/v1/presign", bearer=bearer, json=wanted)

    async def alone(self, method: str, url: str, **options: Any) -> httpx.Response:
        """Use a URL without anything else."""
        return await self.http.request(method, url, **options)

    def token(self, api: dict[str, Any]) -> str:
        return tokens.mint(SECRET, room="demo", name="ann", role="user", api=api, sub=self.project)


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    key = KeyFile(tmp_path).add("laptop")
    app = asgi_app(tmp_path, secret=SECRET)
    transport = httpx.ASGITransport(app)
    async with app, httpx.AsyncClient(transport=transport, base_url="http://demo") as http:
        yield Client(http, key.project_id, encode_api_key(key))


def _rule(*actions: str, path: str = "") -> dict[str, Any]:
    rule = {"path": path, "recursive": True, "actions": list(actions)}
    return {"files": {"paths": [rule]}}


async def test_a_file_comes_back_whole_in_part_or_not_at_all(client: Client) -> None:
    put = await client.ask("PUT", "a%20b/ä.txt", content=b"0123456789")
    whole = await client.ask("GET", "a%20b/ä.txt")
    part = await client.ask("GET", "a%20b/ä.txt", headers={"Range": "bytes=2-4"})
    past = await client.ask("GET", "a%20b/ä.txt", headers={"Range": "bytes=99-"})
    head = await client.ask("HEAD", "a%20b/ä.txt")
    known = f'"other", W/{whole.headers["etag"]}'
    same = await client.ask("GET", "a%20b/ä.txt", headers={"If-None-Match": known})

    assert put.status_code == 201
    assert (whole.status_code, whole.content) == (200, b"0123456789")
    assert (part.status_code, part.content) == (206, b"234")
    assert past.status_code == 416
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == "10"
    assert (same.status_code, same.content) == (304, b"")
    assert "no-cache" in whole.headers["cache-control"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("DELETE", "folder", 409),
        ("DELETE", "nothing", 404),
        ("GET", "a%2F..%2Fb", 400),
        ("GET", "%2e%2e/secret", 400),
        ("GET", "a%00b", 400),
        ("GET", "caf%E9", 400),
        ("PUT", "caf%E9", 400),
        ("PUT", "x?overwrite=maybe", 400),
        ("DELETE", "x?recursive=1", 400),
        ("GET", ".room/queues", 400),
        ("GET", "?list=&limit=0", 400),
        ("GET", "?list=&limit=" + "9" * 5000, 400),
        ("GET", "?list=&continuation_token=*", 400),
        ("PUT", "folder", 409),
        ("POST", "folder?action=mkdir", 409),
        ("POST", "x?action=rename", 400),
    ],
)
async def test_what_can_not_be_has_a_status_that_says_so(
    client: Client, method: str, path: str, status: int
) -> None:
    await client.ask("PUT", "folder/file", content=b"x")

    answer = await client.ask(method, path)

    assert answer.status_code == status
    assert answer.json()["error"]["message"]


async def test_a_list_goes_on_where_it_ended(client: Client) -> None:
    for name in ("a", "b", "c"):
        await client.ask("PUT", name, content=b"x")

    first = (await client.ask("GET", "?list=&limit=2")).json()
    token = first["continuation_token"]
    second = (await client.ask("GET", f"?list=&limit=2&continuation_token={token}")).json()

    names = [[each["name"] for each in page["entries"]] for page in (first, second)]
    assert names == [["a", "b"], ["c"]]
    assert second["continuation_token"] is None


async def test_a_signed_url_does_what_it_was_made_for_and_no_more(client: Client) -> None:
    await client.ask("PUT", "a", content=b"x")
    await client.ask("PUT", "folder/b", content=b"x")
    token = client.token({"storage": _rule("read", "delete", "presign")})
    get = (await client.presign("GET", "a", token)).json()["url"]
    delete = (await client.presign("DELETE", "folder", token)).json()["url"]

    assert (await client.alone("GET", get)).content == b"x"
    assert (await client.alone("HEAD", get)).status_code == 200
    assert (await client.alone("PUT", get, content=b"y")).status_code == 403
    assert (await client.alone("GET", get.replace("/a?", "/folder/b?"))).status_code == 403
    assert (await client.alone("GET", get[:-4])).status_code == 403
    assert (await client.alone("DELETE", f"{delete}&recursive=true")).status_code == 403
    assert (await client.ask("GET", "folder/b")).status_code == 200


async def test_a_signed_url_ends_with_the_key_of_whom_it_was_made_for(client: Client) -> None:
    key = parse_api_key(client.key)
    keyring = Keyring(SECRET, [key])
    signer = UrlSigner(keyring, Limits())
    by_key = (await client.presign("GET", "a")).json()["url"].partition("?signed=")[2]
    ann = Participant("ann", "ann", scope=ApiScope.full(), key_id=key.id)
    of_ann = signer.sign("demo", "a", "GET", 60, ann)
    of_ben = signer.sign("demo", "a", "GET", 60, replace(ann, key_id=None))
    for signed in (by_key, of_ann, of_ben):
        signer.read(signed, "demo", "a", "GET")

    keyring.replace([])

    for signed in (by_key, of_ann):
        with pytest.raises(Denied, match="a key that is not in use"):
            signer.read(signed, "demo", "a", "GET")
    signer.read(of_ben, "demo", "a", "GET")


async def test_nobody_signs_a_url_for_what_they_may_not_do(client: Client) -> None:
    token = client.token({"storage": _rule("read", "presign")})

    assert (await client.presign("GET", "a", token)).status_code == 200
    assert (await client.presign("PUT", "a", token)).status_code == 403
    assert (await client.presign("DELETE", "a", token)).status_code == 403


async def test_a_signed_url_leads_to_a_document_only_for_who_may_read_it(client: Client) -> None:
    document = "/api/rooms/demo/documents/notes"
    writer = client.token({"sync": {}, "storage": {}})
    made = await client.ask(
        "PUT", document, bearer=writer, content=b"secret", params={"format": "text"}
    )
    assert made.is_success, made.text
    rights = _rule("read", "delete", "presign")
    without = client.token({"storage": rights})
    reader = client.token({"storage": rights, "sync": {}})

    for bearer, status in ((without, 403), (reader, 200)):
        url = (await client.presign("GET", "notes", bearer)).json()["url"]
        assert (await client.alone("GET", url)).status_code == status
    url = (await client.presign("DELETE", "notes", without)).json()["url"]
    assert (await client.alone("DELETE", url)).status_code == 403


async def test_a_folder_is_copied_with_all_that_lies_in_it_and_may_be_read(
    client: Client,
) -> None:
    for name in ("plans/a", "plans/deep/b", "plansaside"):
        await client.ask("PUT", name, content=name.encode())
    document = "/api/rooms/demo/documents/plans/notes"
    writer = client.token({"sync": {}, "storage": {}})
    made = await client.ask(
        "PUT", document, bearer=writer, content=b"secret", params={"format": "text"}
    )
    assert made.is_success, made.text
    target = {"project_id": client.project, "kind": "room", "name": "demo"}
    copy: dict[str, Any] = {
        "json": {"source": {"target": target, "path": "plans"}},
        "params": {"action": "copy"},
    }

    refused = await client.ask("POST", "mine", bearer=client.token({"storage": {}}), **copy)
    copied = await client.ask("POST", "copy", **copy)
    again = await client.ask("POST", "copy", **copy)

    assert (refused.status_code, copied.status_code, again.status_code) == (403, 200, 409)
    listed = {each["name"]: each for each in (await client.ask("GET", "?list=")).json()["entries"]}
    assert sorted(listed) == ["copy", "plans", "plansaside"]
    assert (await client.ask("GET", "copy/deep/b")).content == b"plans/deep/b"
    assert "secret" in (await client.ask("GET", "copy/notes")).text


async def test_a_room_with_nothing_but_files_is_in_the_list_of_rooms(client: Client) -> None:
    await client.ask("PUT", "a", content=b"x")

    rooms = (await client.ask("GET", f"/accounts/projects/{client.project}/rooms")).json()

    assert [room["name"] for room in rooms["rooms"]] == ["demo"]
    room = f"/accounts/projects/{client.project}/rooms/{rooms['rooms'][0]['id']}"
    assert (await client.ask("DELETE", room)).status_code == 204
    assert (await client.ask("GET", "a")).status_code == 404
