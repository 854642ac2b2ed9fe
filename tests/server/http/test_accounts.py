"""Rooms, projects and tokens over HTTP: the shapes of the published SDKs, and who may do what."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from syncroom.auth.keys import ApiKey, encode_api_key, mint_api_key
from syncroom.auth.scopes import ApiScope
from syncroom.auth.token import ParticipantToken
from tests.server.local import Local, http_client, joined, local
from tests.support import raw, tokens
from tests.support.editor import Editor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

KEY = mint_api_key(bytes(range(64)))
PROJECT = f"/accounts/projects/{KEY.project_id}"
ROOMS = f"{PROJECT}/rooms"
ISSUED_TOKEN_S = 1000


@pytest.fixture
async def server() -> AsyncIterator[Local]:
    async with local(issued_token_s=ISSUED_TOKEN_S) as running:
        running.keyring.replace([ApiKey(KEY.id, KEY.project_id, KEY.secret, "laptop")])
        yield running


async def ask(
    server: Local, method: str, url: str, *, bearer: str | None = "key", **options: Any
) -> httpx.Response:
    given = encode_api_key(KEY) if bearer == "key" else bearer
    headers = {} if given is None else {"Authorization": f"Bearer {given}"}
    headers |= options.pop("headers", {})
    async with http_client(server) as client:
        return await client.request(method, url, headers=headers, **options)


def refused(answer: httpx.Response) -> tuple[int, str]:
    error = answer.json()["error"]
    assert error["message"]
    return answer.status_code, error["code"]


async def make(server: Local, name: str = "demo", **fields: Any) -> dict[str, Any]:
    answer = await ask(server, "POST", ROOMS, json={"name": name, **fields})
    assert answer.status_code == 200, answer.text
    room: dict[str, Any] = answer.json()
    return room


def admin(server: Local, *, config: bool = True, **claims: Any) -> str:
    api = tokens.api_scope("full", None) | {"admin": {"config": config}}
    return server.token(api=api, sub=KEY.project_id, **claims)


def token_in(jwt: str, server: Local) -> ParticipantToken:
    return ParticipantToken.from_jwt(jwt, keyring=server.keyring, now=time.time())


# -- rooms


async def test_a_room_is_made_read_listed_changed_and_deleted(server: Local) -> None:
    made = await make(server, metadata={"a": [1, None, "ä"]}, annotations={"b": "c"})

    got = await ask(server, "GET", f"{ROOMS}/demo")
    page = await ask(server, "GET", ROOMS)
    body = {"name": "demo", "metadata": {"z": 1}, "annotations": {}, "enabled": False}
    changed = await ask(server, "PUT", f"{ROOMS}/{made['id']}", json=body)
    again = await ask(server, "GET", f"{ROOMS}/demo")
    deleted = await ask(server, "DELETE", f"{ROOMS}/{made['id']}")

    expected = {"name": "demo", "metadata": {"a": [1, None, "ä"]}, "annotations": {"b": "c"}}
    assert {**made, **expected, "enabled": True} == made == got.json()
    assert abs(datetime.fromisoformat(made["created_at"]).timestamp() - time.time()) < 60
    assert page.json() == {"rooms": [made], "total": 1, "continuation_token": None}
    assert changed.json() == again.json() == {**made, **body}
    assert deleted.is_success
    assert refused(await ask(server, "GET", f"{ROOMS}/demo")) == (404, "not_found")


async def test_a_room_is_read_by_its_id_as_well(server: Local) -> None:
    made = await make(server)
    by_id = f"{ROOMS}/{made['id']}"

    got = await ask(server, "GET", by_id)
    granted = await ask(server, "GET", by_id, bearer=admin(server, room="demo"))
    denied = await ask(server, "GET", by_id, bearer=admin(server, room="other"))

    assert got.json() == granted.json() == made
    assert refused(denied) == (403, "denied")


async def test_what_is_not_given_is_not_changed(server: Local) -> None:
    made = await make(server, metadata={"a": 1}, annotations={"b": "c"})

    await ask(server, "PUT", f"{ROOMS}/{made['id']}", json={"name": "demo"})
    await ask(server, "PUT", f"{ROOMS}/{made['id']}", json={"metadata": None, "enabled": None})

    assert (await ask(server, "GET", f"{ROOMS}/demo")).json() == made


async def test_a_room_that_is_there_is_made_again_only_if_that_was_said(server: Local) -> None:
    made = await make(server, metadata={"a": 1})

    body = {"name": "demo", "metadata": {"a": 2}}
    refusal = await ask(server, "POST", ROOMS, json=body)
    answer = await ask(server, "POST", ROOMS, json=body | {"if_not_exists": True})

    assert refused(refusal) == (409, "conflict")
    assert answer.json() == made


async def test_a_room_comes_into_being_when_somebody_joins_and_tells_so(server: Local) -> None:
    before = time.time()
    async with joined(server):
        room = await ask(server, "GET", f"{ROOMS}/demo")
        status = (await ask(server, "GET", f"{ROOMS}/demo/status")).json()

    assert (room.json()["name"], room.json()["metadata"]) == ("demo", {})
    assert status.pop("status") == "Allocated"
    assert datetime.fromisoformat(status.pop("allocated_at")).timestamp() >= int(before)
    assert 0 <= status.pop("running_for_seconds") <= time.time() - before + 1
    assert status == {}


async def test_a_room_in_which_nobody_is_has_no_session(server: Local) -> None:
    await make(server)

    answer = await ask(server, "GET", f"{ROOMS}/demo/status")

    assert answer.json() == {"status": "Unallocated"}


async def test_rooms_come_in_pages(server: Local) -> None:
    names = [f"room-{number}" for number in range(5)]
    for name in (*names, "other"):
        await make(server, name)
    seen: list[str] = []
    query: dict[str, Any] = {"page_size": 2, "filter": "ROOM-", "view": "my"}

    for _ in range(3):
        page = (await ask(server, "GET", ROOMS, params=query)).json()
        seen += [room["name"] for room in page["rooms"]]
        assert page["total"] == 5
        query["continuation_token"] = page["continuation_token"]

    assert seen == names
    assert page["continuation_token"] is None


async def test_a_disabled_room_lets_nobody_in_until_it_is_enabled(server: Local) -> None:
    made = await make(server)
    async with joined(server) as raw:
        await ask(server, "PUT", f"{ROOMS}/{made['id']}", json={"enabled": False})
        assert await raw.close_code() == 4423

    refusal = await ask(server, "POST", f"{ROOMS}/demo/connect", json={})
    assert refused(refusal) == (423, "disabled")
    await ask(server, "PUT", f"{ROOMS}/{made['id']}", json={"enabled": True})
    assert (await ask(server, "POST", f"{ROOMS}/demo/connect", json={})).status_code == 200


async def test_a_deleted_room_takes_its_documents_and_sends_everybody_away(server: Local) -> None:
    made = await make(server)
    url = "/api/rooms/demo/documents/notes"
    bearer = server.token()
    await ask(server, "PUT", url, bearer=bearer, params={"format": "text"}, content="hello")
    async with joined(server) as editor:
        await ask(server, "DELETE", f"{ROOMS}/{made['id']}")
        assert await editor.close_code() == 4404

    assert refused(await ask(server, "GET", url, bearer=bearer)) == (404, "not_found")
    assert (await make(server))["id"] != made["id"]


async def test_who_comes_back_into_a_deleted_room_brings_nothing_back(server: Local) -> None:
    url = f"ws://127.0.0.1:{server.port}{server.path()}"
    ann = Editor()
    await ann.connect(url)
    ann.insert(0, "of the old room")
    await ann.flush()
    await ann.until_acknowledged()
    made = (await ask(server, "GET", f"{ROOMS}/demo")).json()
    await ask(server, "DELETE", f"{ROOMS}/{made['id']}")
    assert (await ann.socket.closed())[0] == 4404
    await ann.disconnect()

    with pytest.raises(AssertionError):
        await ann.connect(url)

    assert await ann.socket.closed() == (
        4404,
        "the document that you have was deleted; a new one begins empty",
    )
    await ann.disconnect()
    async with raw.joined(url) as newcomer:
        assert newcomer.text() == ""


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("GET", f"{ROOMS}/nowhere"),
        ("GET", f"{ROOMS}/nowhere/status"),
        ("PUT", f"{ROOMS}/demo"),
        ("DELETE", f"{ROOMS}/demo"),
        ("GET", f"{PROJECT}/no-such-thing"),
    ],
)
async def test_what_is_not_there_is_not_found_and_a_name_is_no_id(
    server: Local, method: str, url: str
) -> None:
    await make(server)

    options: dict[str, Any] = {"json": {}} if method == "PUT" else {}
    answer = await ask(server, method, url, **options)

    assert refused(answer) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "url", "options", "reason"),
    [
        ("POST", ROOMS, {"json": {"name": "Not a name"}}, "name of a room"),
        ("POST", ROOMS, {"json": {"name": 5}}, "name"),
        ("POST", ROOMS, {"json": {}}, "name: Field required"),
        ("POST", ROOMS, {"json": []}, "object"),
        ("POST", ROOMS, {"content": "{"}, "JSON"),
        ("POST", ROOMS, {"content": b"\xff"}, "JSON"),
        ("POST", ROOMS, {"content": '{"name":"a","metadata":' + "[" * 5000}, "JSON"),
        ("POST", ROOMS, {"json": {"name": "a", "metadata": []}}, "metadata"),
        ("POST", ROOMS, {"json": {"name": "a", "annotations": {"a": 1}}}, "annotations"),
        ("POST", ROOMS, {"json": {"name": "a", "permissions": {"u": {}}}}, "no users"),
        ("GET", f"{ROOMS}?page_size=0", {}, "page_size"),
        ("GET", f"{ROOMS}?page_size=1001", {}, "page_size"),
        ("GET", f"{ROOMS}?page_size=many", {}, "page_size"),
        ("GET", f"{ROOMS}?continuation_token=%C3%A4", {}, "continuation_token"),
        ("POST", f"{ROOMS}/Not_a_name/connect", {"json": {}}, "name of a room"),
        ("POST", f"{ROOMS}/demo/connect", {"json": {"email": ""}}, "email"),
        ("POST", f"{PROJECT}/participant-tokens", {"json": {"grants": 1}}, "grants"),
        ("POST", f"{PROJECT}/participant-tokens", {"json": {"grants": [{"name": "x"}]}}, "grants"),
        ("POST", f"{PROJECT}/participant-tokens", {"json": {"api": {"sync": 5}}}, "api.sync"),
        ("POST", f"{PROJECT}/participant-tokens", {"json": {"room_name": "A"}}, "name of a room"),
        ("POST", f"{PROJECT}/access:test", {"content": "no"}, "JSON"),
        ("POST", "/api/participant-token/validate", {"json": {}}, "token"),
    ],
)
async def test_what_makes_no_sense_is_answered_with_400_and_why(
    server: Local, method: str, url: str, options: dict[str, Any], reason: str
) -> None:
    answer = await ask(server, method, url, **options)

    assert refused(answer) == (400, "malformed")
    assert reason in answer.json()["error"]["message"]
    assert (await ask(server, "GET", ROOMS)).json()["total"] == 0


async def test_a_room_keeps_its_name(server: Local) -> None:
    made = await make(server)

    answer = await ask(server, "PUT", f"{ROOMS}/{made['id']}", json={"name": "other"})

    assert refused(answer) == (400, "malformed")


async def test_metadata_that_is_too_large_is_refused(server: Local) -> None:
    made = await make(server)
    url = f"{ROOMS}/{made['id']}"

    large = await ask(server, "PUT", url, json={"metadata": {"a": "x" * 9000}})
    huge = await ask(server, "PUT", url, json={"metadata": {"a": "x" * 900_000}})

    assert refused(large) == refused(huge) == (413, "limit")


# -- the way in


async def test_a_key_is_let_into_a_room_as_an_agent(server: Local) -> None:
    answer = (await ask(server, "POST", f"{ROOMS}/demo/connect", json={})).json()
    token = token_in(answer.pop("jwt"), server)

    assert answer == {
        "room_name": "demo",
        "project_id": KEY.project_id,
        "room_url": f"ws://127.0.0.1:{server.port}/rooms/demo",
    }
    assert (token.name, token.role, token.rooms) == ("laptop", "agent", ["demo"])
    assert (token.api_key_id, token.project_id) == (KEY.id, KEY.project_id)
    assert token.get_api_grant() == ApiScope.agent_default()
    assert abs((token.expires_at or 0) - time.time() - ISSUED_TOKEN_S) < 60


async def test_somebody_with_an_address_is_let_in_as_a_person(server: Local) -> None:
    answer = await ask(server, "POST", f"{ROOMS}/demo/connect", json={"email": "ann@example.org"})
    token = token_in(answer.json()["jwt"], server)

    assert (token.name, token.role) == ("ann@example.org", "user")
    assert token.get_api_grant() == ApiScope.user_default()


async def test_a_connection_without_a_body_is_as_one_with_an_empty_object(server: Local) -> None:
    assert (await ask(server, "POST", f"{ROOMS}/demo/connect")).status_code == 200


async def test_who_has_a_token_for_a_room_gets_that_one_back_and_no_other(server: Local) -> None:
    mine = server.token(sub=KEY.project_id)

    answer = await ask(server, "POST", f"{ROOMS}/demo/connect", bearer=mine, json={})
    elsewhere = await ask(server, "POST", f"{ROOMS}/other/connect", bearer=mine, json={})

    assert answer.json()["jwt"] == mine
    assert refused(elsewhere) == (403, "denied")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Host": "rooms.example.org"}, "ws://rooms.example.org/rooms/demo"),
        ({"Host": "a:8080", "X-Forwarded-Proto": "https"}, "wss://a:8080/rooms/demo"),
        ({"Host": "a", "X-Forwarded-Proto": "http"}, "ws://a/rooms/demo"),
    ],
)
async def test_the_url_of_a_room_is_that_of_the_request(
    server: Local, headers: dict[str, str], expected: str
) -> None:
    answer = await ask(server, "POST", f"{ROOMS}/demo/connect", headers=headers)

    assert answer.json()["room_url"] == expected


# -- tokens


async def test_a_token_is_made_from_a_few_words(server: Local) -> None:
    url = f"{PROJECT}/participant-tokens"

    body = {"name": "Ann", "room_name": "demo", "role": "agent", "api": {"messaging": {}}}
    answer = await ask(server, "POST", url, json=body)
    plain = await ask(server, "POST", url, json={"email": "ben@example.org"})

    token = token_in(answer.json()["token"], server)
    assert (token.name, token.role, token.rooms) == ("Ann", "agent", ["demo"])
    scope = token.get_api_grant()
    assert scope is not None
    assert scope.to_json() == {"messaging": {}}
    other = token_in(plain.json()["token"], server)
    assert (other.name, other.role, other.rooms) == ("ben@example.org", "user", [])
    assert other.get_api_grant() == ApiScope.user_default()


async def test_a_token_is_made_of_the_grants_that_are_given(server: Local) -> None:
    grants = [{"name": "room", "scope": "a"}, {"name": "room", "scope": "b"}]

    body = {"name": "Ann", "grants": grants}
    answer = await ask(server, "POST", f"{PROJECT}/participant-tokens", json=body)

    token = token_in(answer.json()["token"], server)
    assert token.to_json()["grants"] == grants
    assert token.api_key_id == KEY.id


async def test_a_token_is_checked_for_anybody(server: Local) -> None:
    url = "/api/participant-token/validate"

    good = await ask(server, "POST", url, bearer=None, json={"token": server.token()})
    bad = await ask(server, "POST", url, bearer=None, json={"token": server.token() + "x"})

    assert good.json()["name"] == "ann"
    assert {"name": "room", "scope": "demo"} in good.json()["grants"]
    assert refused(bad) == (401, "unauthenticated")


# -- projects, and what needs no credentials


async def test_a_server_is_one_project(server: Local) -> None:
    project = {"id": KEY.project_id, "name": "syncroom"}

    assert (await ask(server, "GET", "/accounts/projects")).json() == {"projects": [project]}
    assert (await ask(server, "GET", PROJECT)).json() == project


async def test_a_key_may_do_everything_and_a_token_not(server: Local) -> None:
    body = {"subject": {"type": "user"}, "resource": {"type": "project"}, "relation": "owner"}

    key = await ask(server, "POST", f"{PROJECT}/access:test", json=body)
    token = await ask(server, "POST", f"{PROJECT}/access:test", json=body, bearer=admin(server))

    assert (key.json(), token.json()) == ({"allowed": True}, {"allowed": False})


async def test_the_configuration_needs_no_credentials(server: Local) -> None:
    answer = await ask(server, "GET", "/config", bearer=None)

    assert (answer.status_code, answer.json()) == (
        200,
        {"domains": {"files": f"{server.url}/files"}},
    )


# -- who may do what

ALL = [
    ("GET", "/accounts/projects"),
    ("GET", PROJECT),
    ("GET", ROOMS),
    ("POST", ROOMS),
    ("GET", f"{ROOMS}/demo"),
    ("PUT", f"{ROOMS}/ID"),
    ("DELETE", f"{ROOMS}/ID"),
    ("GET", f"{ROOMS}/demo/status"),
    ("POST", f"{ROOMS}/demo/connect"),
    ("POST", f"{PROJECT}/participant-tokens"),
    ("POST", f"{PROJECT}/access:test"),
]


@pytest.mark.parametrize("bearer", ["none", "forged key", "another key", "no key", "forged token"])
@pytest.mark.parametrize(("method", "url"), ALL)
async def test_nothing_is_done_without_good_credentials(
    server: Local, method: str, url: str, bearer: str
) -> None:
    forged = ApiKey(KEY.id, KEY.project_id, KEY.secret[:-1] + "-")
    text = {
        "none": None,
        "forged key": encode_api_key(forged),
        "another key": encode_api_key(mint_api_key(bytes(64), KEY.project_id)),
        "no key": "ma-what-ever",
        "forged token": server.token() + "x",
    }[bearer]

    answer = await ask(server, method, url, bearer=text)

    assert refused(answer) == (401, "unauthenticated")
    assert KEY.secret not in answer.text


@pytest.mark.parametrize("credentials", ["key", "token"])
@pytest.mark.parametrize(("method", "url"), ALL[1:])
async def test_nothing_is_done_in_another_project(
    server: Local, method: str, url: str, credentials: str
) -> None:
    elsewhere = url.replace(KEY.project_id, "d0c2e0d4-6a5c-4b7e-9a37-0d0f6f2d8a11")
    bearer = "key" if credentials == "key" else admin(server)

    assert refused(await ask(server, method, elsewhere, bearer=bearer)) == (403, "denied")


@pytest.mark.parametrize(
    ("who", "allowed"),
    [
        ("key", set(ALL)),
        ("admin", {ALL[0], ALL[1], ALL[2], ALL[4], ALL[5], ALL[7], ALL[8], ALL[10]}),
        ("admin without config", {ALL[0], ALL[1], ALL[8], ALL[10]}),
        ("admin elsewhere", {ALL[0], ALL[1], ALL[2], ALL[10]}),
        ("user", {ALL[0], ALL[1], ALL[8], ALL[10]}),
    ],
)
async def test_each_may_do_what_the_table_says(
    server: Local, who: str, allowed: set[tuple[str, str]]
) -> None:
    bearer = {
        "key": "key",
        "admin": admin(server),
        "admin without config": admin(server, config=False),
        "admin elsewhere": admin(server, room="other"),
        "user": server.token(sub=KEY.project_id),
    }[who]
    made = await make(server)
    done = set()
    # The room is deleted last.
    for method, url in sorted(ALL, key=lambda each: each[0] == "DELETE"):
        body = {"name": "new-room"} if (method, url) == ALL[3] else {}
        options: dict[str, Any] = {"json": body} if method in ("POST", "PUT") else {}
        answer = await ask(server, method, url.replace("ID", made["id"]), bearer=bearer, **options)
        if answer.is_success:
            done.add((method, url))
        else:
            assert refused(answer) == (403, "denied"), (method, url)

    assert done == allowed


async def test_who_administers_some_rooms_sees_those_only(server: Local) -> None:
    for name in ("demo", "other", "third"):
        await make(server, name)
    rooms = ("other", "demo", "not-there")
    grants: list[dict[str, Any]] = [{"name": "room", "scope": name} for name in rooms]
    grants.append({"name": "api", "scope": {"admin": {}}})
    body: dict[str, Any] = {"name": "Ann", "grants": grants}
    made = await ask(server, "POST", f"{PROJECT}/participant-tokens", json=body)
    bearer = made.json()["token"]

    first = await ask(server, "GET", f"{ROOMS}?page_size=1", bearer=bearer)
    query = {"continuation_token": first.json()["continuation_token"]}
    rest = await ask(server, "GET", ROOMS, bearer=bearer, params=query)

    assert [room["name"] for room in first.json()["rooms"]] == ["demo"]
    assert [room["name"] for room in rest.json()["rooms"]] == ["other"]
    assert first.json()["total"] == rest.json()["total"] == 2
    assert rest.json()["continuation_token"] is None


async def test_a_key_in_a_url_is_not_read(server: Local) -> None:
    answer = await ask(server, "GET", f"{ROOMS}?token={encode_api_key(KEY)}", bearer=None)

    assert refused(answer) == (401, "unauthenticated")


@pytest.mark.parametrize("sub", [None, "testproject"])
async def test_a_token_of_a_server_without_keys_has_a_project_all_the_same(
    server: Local, sub: str | None
) -> None:
    server.keyring.replace([])
    bearer = server.token() if sub is None else server.token(sub=sub)

    (project,) = (await ask(server, "GET", "/accounts/projects", bearer=bearer)).json()["projects"]
    url = f"/accounts/projects/{project['id']}/rooms/demo/connect"

    assert project["id"] == (sub or "default")
    assert (await ask(server, "POST", url, bearer=bearer)).status_code == 200


async def test_what_no_endpoint_takes_is_told_in_json(server: Local) -> None:
    unknown = await ask(server, "GET", "/accounts/nothing")
    wrong = await ask(server, "PATCH", ROOMS)

    assert refused(unknown) == (404, "not_found")
    assert refused(wrong) == (405, "malformed")
    assert "GET" in wrong.headers["allow"]
