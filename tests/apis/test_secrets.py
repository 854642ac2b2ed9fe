"""Secrets: sealed, for their owner and one other, provided by those who are asked for them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from syncroom.apis.secrets import Secrets
from syncroom.apis.vault import Vault
from syncroom.auth.scopes import AdminGrant, ApiScope, OAuthEndpoint, SecretsGrant
from syncroom.errors import Misconfigured, Unavailable
from syncroom.limits import Limits
from syncroom.protocol.meshagent import Content, binary_content
from syncroom.store.base import Item
from syncroom.store.memory import MemoryStore
from syncroom.store.seal import Seal
from tests.apis.fakes import Asked, FakeCaller, ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

PLAIN = b"open sesame"
TOKEN_URL = "https://id.example.org/token"
CLIENT = {
    "client_id": "client-1",
    "client_secret": "the client's own",
    "authorization_endpoint": "https://id.example.org/authorize",
    "token_endpoint": TOKEN_URL,
}


class Listener(FakeCaller):
    """A caller whose next message can be waited for."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.heard = asyncio.Event()

    def send(self, kind: str, header: Mapping[str, Any], payload: bytes = b"") -> int:
        self.heard.set()
        return super().send(kind, header, payload)


class FakeEndpoints:
    """One token endpoint, which answers what it is told to."""

    def __init__(self) -> None:
        self.forms: list[Mapping[str, str]] = []
        self.answer: object = {"access_token": "access-1", "refresh_token": "refresh-1"}
        self.failure: str | None = None

    def check(self, url: str) -> None:
        if url != TOKEN_URL:
            raise Misconfigured("not configured")

    async def redeem(self, url: str, form: Mapping[str, str]) -> object:
        self.forms.append(form)
        if self.failure is not None:
            raise Unavailable(self.failure)
        return self.answer


class Scene:
    """The secrets of a room, and some who are in it."""

    def __init__(self, room: str = "demo", **limits: float) -> None:
        self.store = MemoryStore()
        self.endpoints = FakeEndpoints()
        self.limits = Limits.model_validate(limits)
        self.ann, self.bob, self.cleo = FakeCaller("ann"), Listener("bob"), FakeCaller("cleo")
        everybody: list[FakeCaller] = [self.ann, self.bob, self.cleo]
        self.members = {each.id: each for each in everybody}
        self.open(room)

    def open(self, room: str, key: str = "key") -> None:
        """As after a restart, in the room of this name."""
        kept = (
            partial(self.store.items, "demo", "secrets"),
            partial(self.store.change_items, "demo", "secrets"),
        )
        vault = Vault(room, *kept, Seal(key), self.limits)
        self.secrets = Secrets(vault, self.endpoints, self.members, self.limits)

    async def put(self, caller: FakeCaller, id: str, data: bytes = PLAIN, **more: Any) -> Any:
        headers = {"secret_id": id, "has_data": True, **more}
        asked = ask(self.secrets, "set_secret", caller, binary_content(headers, data))
        await asked.over.wait()
        return asked.answer

    async def ask(self, caller: FakeCaller, tool: str, **request: Any) -> Content:
        asked = ask(self.secrets, tool, caller, request)
        await asked.over.wait()
        [content] = asked.answers
        return content

    async def get(self, caller: FakeCaller, id: str, **more: Any) -> bytes | None:
        content = await self.ask(caller, "get_secret", secret_id=id, **more)
        assert content.kind in ("file", "empty"), content.header
        return content.payload if content.kind == "file" else None

    async def ids(self, caller: FakeCaller) -> list[str]:
        listed = await self.ask(caller, "list_secrets")
        return [each["id"] for each in listed.header["json"]["secrets"]]

    async def request(
        self, caller: FakeCaller, tool: str, **more: Any
    ) -> tuple[Asked, Mapping[str, Any]]:
        """Ask bob for something; the call, and what bob was asked."""
        self.bob.heard.clear()
        asked = ask(self.secrets, tool, caller, {"participant_id": self.bob.id, **more})
        await self.bob.heard.wait()
        assert self.bob.sent[-1].kind == f"secrets.{tool}"
        return asked, self.bob.sent[-1].header

    async def provide(self, caller: FakeCaller, id: str, error: str | None = None) -> Content:
        headers = {"request_id": id, "error": error}
        asked = ask(self.secrets, "provide_secret", caller, binary_content(headers, PLAIN))
        await asked.over.wait()
        return asked.answers[0]


@pytest_asyncio.fixture
async def scene() -> AsyncIterator[Scene]:
    opened = Scene()
    await opened.store.open()
    yield opened


# -- kept


async def test_a_secret_comes_back_as_it_was_set(scene: Scene) -> None:
    await scene.put(scene.ann, "db", type="text/plain", name="the database")
    content = await scene.ask(scene.ann, "get_secret", secret_id="db")

    assert content.header == {"type": "file", "name": "the database", "mime_type": "text/plain"}
    assert content.payload == PLAIN
    assert await scene.get(scene.ann, "db") == PLAIN


async def test_a_secret_is_found_by_name_and_type(scene: Scene) -> None:
    await scene.put(scene.ann, "a", b"1", name="key", type="text/plain")
    await scene.put(scene.ann, "b", b"2", name="key", type="image/png")

    found = await scene.ask(scene.ann, "get_secret", name="key", type="image/png")

    assert found.payload == b"2"


async def test_the_later_of_one_id_is_in_the_place_of_the_earlier(scene: Scene) -> None:
    await scene.put(scene.ann, "db", b"1")
    await scene.put(scene.ann, "db", b"2")

    assert await scene.get(scene.ann, "db") == b"2"
    assert await scene.ids(scene.ann) == ["db"]


async def test_nobody_else_finds_a_secret(scene: Scene) -> None:
    await scene.put(scene.ann, "db")

    assert await scene.get(scene.bob, "db") is None
    assert await scene.ids(scene.bob) == []
    assert (await scene.ask(scene.bob, "exists", secret_id="db")).header["json"] == {
        "exists": False
    }
    assert (await scene.ask(scene.bob, "delete_secret", id="db")).header["code"] == 1003
    assert await scene.get(scene.ann, "db") == PLAIN


async def test_a_delegated_secret_is_for_its_owner_and_one_other(scene: Scene) -> None:
    await scene.put(scene.ann, "db", b"mine")
    await scene.put(scene.ann, "db", b"lent", delegated_to="bob")

    assert await scene.get(scene.bob, "db") == b"lent"
    assert await scene.get(scene.ann, "db") == b"mine"
    assert await scene.get(scene.ann, "db", delegated_to="bob") == b"lent"
    assert await scene.get(scene.cleo, "db") is None


async def test_a_deleted_secret_is_gone(scene: Scene) -> None:
    await scene.put(scene.ann, "db")

    assert (await scene.ask(scene.ann, "delete_secret", id="db")).kind == "empty"

    assert await scene.get(scene.ann, "db") is None
    assert await scene.store.items("demo", "secrets") == []


async def test_an_administrator_sets_secrets_for_others_but_does_not_read_them(
    scene: Scene,
) -> None:
    plain = FakeCaller("eve", ApiScope(secrets=SecretsGrant()))
    admin = FakeCaller("root", ApiScope(secrets=SecretsGrant(), admin=AdminGrant()))

    assert (await scene.put(plain, "db", for_identity="ann"))["code"] == 1001
    assert (await scene.put(admin, "db", for_identity="ann"))["type"] == "empty"

    there = await scene.ask(admin, "exists", secret_id="db", for_identity="ann")
    assert there.header["json"] == {"exists": True}
    assert await scene.get(admin, "db") is None
    assert await scene.get(scene.ann, "db") == PLAIN


async def test_nothing_plain_is_kept_or_listed(scene: Scene) -> None:
    await scene.put(scene.ann, "db", name="the database")

    [item] = await scene.store.items("demo", "secrets")
    listed = await scene.ask(scene.ann, "list_secrets")

    assert PLAIN not in item.value and PLAIN.decode() not in item.name
    assert listed.header["json"]["secrets"] == [
        {
            "id": "db",
            "type": "application/octet-stream",
            "name": "the database",
            "delegated_to": None,
        }
    ]


async def test_a_sealed_secret_moved_to_another_name_or_room_is_not_opened(scene: Scene) -> None:
    await scene.put(scene.ann, "db")
    [item] = await scene.store.items("demo", "secrets")
    moved = item.name.replace("ann", "bob")
    await scene.store.change_items("demo", "secrets", [Item(moved, 0, item.value)])

    stolen = await scene.ask(scene.bob, "get_secret", secret_id="db")
    scene.open("other")
    elsewhere = await scene.ask(scene.ann, "get_secret", secret_id="db")
    scene.open("demo", "another key")
    other_key = await scene.ask(scene.ann, "get_secret", secret_id="db")

    for refused in (stolen, elsewhere, other_key):
        assert refused.header["code"] == 1008
        assert "can't be opened" in refused.header["text"]


async def test_there_is_a_bound_on_a_secret_and_on_their_number() -> None:
    scene = Scene(secret_bytes_max=20, room_secrets_max=2)
    await scene.store.open()

    assert (await scene.put(scene.ann, "a", b"x" * 21))["code"] == 1002
    assert (await scene.put(scene.ann, "a", b"x" * 20))["type"] == "empty"
    assert (await scene.put(scene.ann, "b"))["type"] == "empty"
    assert (await scene.put(scene.ann, "b"))["type"] == "empty"
    assert (await scene.put(scene.bob, "c"))["code"] == 1002


@pytest.mark.parametrize("id", ["", "requested:text/plain:x", "oauth:x"])
async def test_a_secret_needs_an_id_that_is_not_taken_for_others(scene: Scene, id: str) -> None:
    assert (await scene.put(scene.ann, id))["code"] == 1002


async def test_nobody_uses_secrets_without_the_grant(scene: Scene) -> None:
    eve = FakeCaller("eve", ApiScope(admin=AdminGrant()))

    for tool in Secrets.tools:
        assert (await scene.ask(eve, tool)).header["code"] == 1001


# -- requested


WANTED = {"url": "https://api.example.org", "type": "text/plain", "timeout": 60}


async def test_a_secret_is_provided_by_who_is_asked_and_not_kept(scene: Scene) -> None:
    asked, event = await scene.request(scene.ann, "request_secret", **WANTED)

    done = await scene.provide(scene.bob, event["request_id"])
    await asked.over.wait()

    assert event["request"]["url"] == WANTED["url"]
    assert done.kind == "empty"
    assert asked.answers[0].payload == PLAIN
    assert asked.answer["type"] == "file"
    assert await scene.store.items("demo", "secrets") == []


async def test_what_is_delegated_is_not_asked_for_again(scene: Scene) -> None:
    asked, event = await scene.request(scene.ann, "request_secret", **WANTED, delegate_to="ann")
    await scene.provide(scene.bob, event["request_id"])
    await asked.over.wait()

    again = await scene.ask(scene.ann, "request_secret", participant_id=scene.bob.id, **WANTED)
    fields = {"url": WANTED["url"], "type": WANTED["type"]}
    await scene.ask(scene.bob, "delete_requested_secret", **fields, delegated_to="ann")
    after, _ = await scene.request(scene.ann, "request_secret", **WANTED)
    after.call.abandon()

    assert again.payload == PLAIN


async def test_only_who_was_asked_can_answer_and_only_once(scene: Scene) -> None:
    asked, event = await scene.request(scene.ann, "request_secret", **WANTED)

    assert (await scene.provide(scene.cleo, event["request_id"])).header["code"] == 1003
    assert (await scene.provide(scene.bob, "another")).header["code"] == 1003
    assert not asked.answers
    assert (await scene.provide(scene.bob, event["request_id"])).kind == "empty"
    assert (await scene.provide(scene.bob, event["request_id"])).header["code"] == 1003


async def test_who_asks_is_told_of_a_refusal_and_of_a_leaving(scene: Scene) -> None:
    refused, event = await scene.request(scene.ann, "request_secret", **WANTED)
    await scene.provide(scene.bob, event["request_id"], error="not you")
    await refused.over.wait()
    left, _ = await scene.request(scene.ann, "request_secret", **WANTED)
    scene.secrets.leave(scene.bob)
    await left.over.wait()

    assert refused.answer["code"] == left.answer["code"] == 1008
    assert "not you" in refused.answer["text"]
    assert "left" in left.answer["text"]


async def test_who_is_not_answered_is_told_so(scene: Scene) -> None:
    asked, event = await scene.request(scene.ann, "request_secret", **{**WANTED, "timeout": 0.001})
    await asked.over.wait()

    assert asked.answer["code"] == 1009
    assert (await scene.provide(scene.bob, event["request_id"])).header["code"] == 1003


async def test_who_is_not_here_or_can_not_provide_is_not_asked(scene: Scene) -> None:
    scene.members["deaf"] = FakeCaller("deaf", ApiScope())

    for id in ("nobody", "deaf"):
        content = await scene.ask(scene.ann, "request_secret", participant_id=id, **WANTED)
        assert content.header["code"] == 1003


# -- OAuth


REQUEST = {"oauth": CLIENT, "redirect_uri": "https://app.example.org/back"}


async def _authorize(scene: Scene, **more: Any) -> tuple[Asked, Mapping[str, Any]]:
    """Ask bob for a token, who gives the code."""
    asked, event = await scene.request(scene.ann, "request_oauth_token", **REQUEST, **more)
    await scene.ask(
        scene.bob, "provide_oauth_authorization", request_id=event["request_id"], code="code-1"
    )
    await asked.over.wait()
    return asked, event


async def test_an_authorized_code_is_redeemed_with_what_proves_the_request(scene: Scene) -> None:
    asked, event = await _authorize(scene)

    [form] = scene.endpoints.forms
    digest = hashlib.sha256(form["code_verifier"].encode()).digest()
    assert asked.answer["json"] == {"access_token": "access-1"}
    assert event["challenge"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert (form["code"], form["redirect_uri"]) == ("code-1", REQUEST["redirect_uri"])
    assert (form["client_id"], form["client_secret"]) == ("client-1", "the client's own")


async def test_who_authorizes_never_sees_the_secret_of_the_client(scene: Scene) -> None:
    _, event = await _authorize(scene)

    assert "the client's own" not in json.dumps(event)
    assert event["request"]["oauth"]["client_id"] == "client-1"


async def test_a_client_may_do_without_a_challenge(scene: Scene) -> None:
    asked, event = await scene.request(
        scene.ann, "request_oauth_token", **{**REQUEST, "oauth": {**CLIENT, "no_pkce": True}}
    )
    await scene.ask(
        scene.bob, "provide_oauth_authorization", request_id=event["request_id"], code="c"
    )
    await asked.over.wait()

    assert event["challenge"] is None
    assert "code_verifier" not in scene.endpoints.forms[0]


async def test_a_delegated_token_is_there_offline_and_refreshed_when_it_ends(
    scene: Scene,
) -> None:
    offline = partial(scene.ask, scene.ann, "get_offline_oauth_token", oauth=CLIENT)
    assert (await offline()).header["json"] == {"access_token": None}
    scene.endpoints.answer = {"access_token": "old", "refresh_token": "r", "expires_in": 1}
    await _authorize(scene, delegate_to="ann")

    scene.endpoints.answer = {"access_token": "new", "expires_in": 3600}
    refreshed = await offline(delegated_by="bob")
    again = await offline()

    assert refreshed.header["json"] == again.header["json"] == {"access_token": "new"}
    assert scene.endpoints.forms[-1]["refresh_token"] == "r"
    assert len(scene.endpoints.forms) == 2


async def test_what_refreshes_a_token_is_shown_to_nobody(scene: Scene) -> None:
    await _authorize(scene, delegate_to="ann")

    [id] = await scene.ids(scene.ann)

    assert await scene.get(scene.ann, id) is None
    assert await scene.get(scene.bob, id) is None


async def test_an_owner_ends_a_delegated_token(scene: Scene) -> None:
    await _authorize(scene, delegate_to="ann")
    [id] = await scene.ids(scene.bob)

    await scene.ask(scene.bob, "delete_secret", id=id, delegated_to="ann")

    gone = await scene.ask(scene.ann, "get_offline_oauth_token", oauth=CLIENT)
    assert gone.header["json"] == {"access_token": None}


async def test_endpoints_that_are_not_configured_are_not_called(scene: Scene) -> None:
    other = {**CLIENT, "token_endpoint": "http://localhost/admin"}

    content = await scene.ask(
        scene.ann,
        "request_oauth_token",
        **{**REQUEST, "oauth": other, "participant_id": scene.bob.id},
    )

    assert content.header["code"] == 1007
    assert scene.endpoints.forms == []


async def test_a_grant_may_name_the_clients_and_endpoints(scene: Scene) -> None:
    endpoint = OAuthEndpoint(endpoint="https://id.example.org/*", client_id="client-2")
    eve = FakeCaller("eve", ApiScope(secrets=SecretsGrant(request_oauth_token=[endpoint])))

    for oauth, code in ((CLIENT, 1001), ({**CLIENT, "client_id": "client-2"}, None), (None, 1002)):
        content = await scene.ask(eve, "get_offline_oauth_token", oauth=oauth)
        assert content.header.get("code") == code


@pytest.mark.parametrize("answer", [None, [], {}, {"access_token": 1}])
async def test_an_endpoint_that_gives_no_token_is_an_error(scene: Scene, answer: object) -> None:
    scene.endpoints.answer = answer

    asked, _ = await _authorize(scene)

    assert asked.answer["code"] == 1008


async def test_a_refused_authorization_is_an_error_and_redeems_nothing(scene: Scene) -> None:
    asked, event = await scene.request(scene.ann, "request_oauth_token", **REQUEST)
    await scene.ask(
        scene.bob, "provide_oauth_authorization", request_id=event["request_id"], error="no"
    )
    await asked.over.wait()

    assert asked.answer["code"] == 1008
    assert scene.endpoints.forms == []
