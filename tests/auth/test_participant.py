"""Who gets into a room, who they are there, and which documents they may open."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from syncroom.auth.keys import Keyring
from syncroom.auth.participant import Participant, admit, participant_of
from syncroom.auth.scopes import (
    ApiScope,
    ContainersGrant,
    DeveloperGrant,
    MessagingGrant,
    ServicesGrant,
    SyncGrant,
    SyncPathGrant,
)
from syncroom.auth.token import LEEWAY_S, ParticipantToken
from syncroom.errors import Denied, Unauthenticated
from tests.auth.forge import SECRET, forge

NOW = 1_800_000_000.0
KEYRING = Keyring(SECRET)
DOCS = SyncGrant(paths=[SyncPathGrant(path="docs/a", read_only=True), SyncPathGrant(path="docs/*")])


def token(*rooms: str, **claims: Any) -> str:
    grants = [{"name": "room", "scope": room} for room in rooms]
    return forge({"name": "ann", "grants": grants} | claims)


def participant(scope: ApiScope | None) -> Participant:
    who = ParticipantToken(name="ann")
    if scope is not None:
        who.add_api_grant(scope)
    return participant_of(who)


def test_holder_of_a_good_token_is_admitted_as_who_it_says() -> None:
    who = ParticipantToken(name="ann")
    who.add_room_grant("demo")
    who.add_role_grant("agent")
    who.add_api_grant(ApiScope.agent_default())

    admitted = admit(who.to_jwt(token=SECRET), "demo", KEYRING, NOW)

    assert (admitted.name, admitted.role) == ("ann", "agent")
    assert admitted.scope == ApiScope.agent_default()
    assert admitted.expires_at is None


def test_any_of_several_room_grants_admits() -> None:
    assert admit(token("one", "two"), "two", KEYRING, NOW).name == "ann"


@pytest.mark.parametrize("rooms", [(), ("other",), ("Demo",), ("demo ",), ("demo/x",), ("*",)])
def test_other_rooms_are_denied(rooms: tuple[str, ...]) -> None:
    with pytest.raises(Denied, match="does not grant this room"):
        admit(token(*rooms), "demo", KEYRING, NOW)


@pytest.mark.parametrize("jwt", [None, ""])
def test_nobody_is_admitted_without_a_token(jwt: str | None) -> None:
    with pytest.raises(Unauthenticated, match="token is needed"):
        admit(jwt, "demo", KEYRING, NOW)


def test_forged_token_is_refused_before_its_room_is_looked_at() -> None:
    with pytest.raises(Unauthenticated):
        admit(token("demo"), "other", Keyring("another secret"), NOW)


def test_participant_has_to_go_when_the_token_would_be_refused() -> None:
    jwt = token("demo", exp=NOW + 60)
    expires_at = admit(jwt, "demo", KEYRING, NOW).expires_at

    assert expires_at == NOW + 60 + LEEWAY_S
    assert admit(jwt, "demo", KEYRING, expires_at - 0.001)
    with pytest.raises(Unauthenticated, match="expired"):
        admit(jwt, "demo", KEYRING, expires_at)


@pytest.mark.parametrize(
    ("claims", "reason"),
    [({}, "never expires"), ({"exp": NOW + 3600 + LEEWAY_S + 1}, "may last 3600 s at most")],
)
def test_token_that_may_last_too_long_is_refused_where_a_lifetime_is_set(
    claims: dict[str, float], reason: str
) -> None:
    with pytest.raises(Unauthenticated, match=reason):
        admit(token("demo", **claims), "demo", KEYRING, NOW, lifetime_s_max=3600)


def test_token_within_the_lifetime_is_admitted() -> None:
    assert admit(token("demo", exp=NOW + 3600), "demo", KEYRING, NOW, lifetime_s_max=3600)


def test_id_is_the_same_for_the_same_project_name_and_role() -> None:
    first = ParticipantToken(name="ann", project_id="p", extra_payload={"exp": 5})
    second = ParticipantToken(name="ann", project_id="p", version="2")
    second.add_room_grant("demo")

    assert participant_of(first).id == participant_of(second).id


def test_id_is_the_same_in_every_release() -> None:
    who = ParticipantToken(name="ann", project_id="p")

    assert participant_of(who).id == "62481d68-2ed2-586d-9278-23b3f211e3e1"


@pytest.mark.parametrize(
    ("project_id", "name", "role"),
    [
        (None, "ann", "user"),
        ("p", "bob", "user"),
        ("p", "ann", "agent"),
        ("", "pann", "user"),
        ("pa", "nn", "user"),
    ],
)
def test_id_differs_where_project_name_or_role_does(
    project_id: str | None, name: str, role: str
) -> None:
    ann = ParticipantToken(name="ann", project_id="p")
    other = ParticipantToken(name=name, project_id=project_id)
    other.add_role_grant(role)

    assert participant_of(other).id != participant_of(ann).id


@pytest.mark.parametrize(
    ("scope", "path", "expected"),
    [
        (None, "docs/x", ""),
        (ApiScope(), "docs/x", ""),
        (ApiScope(messaging=MessagingGrant()), "docs/x", ""),
        (ApiScope(sync=SyncGrant()), "docs/x", "rw"),
        (ApiScope(sync=SyncGrant(paths=[])), "docs/x", ""),
        (ApiScope(sync=DOCS), "docs/x", "rw"),
        (ApiScope(sync=DOCS), "docs/a", "r"),
        (ApiScope(sync=DOCS), "other", ""),
        # What the server writes is opened by other grants, and written by nobody.
        (ApiScope(sync=SyncGrant()), ".room/participants", ""),
        (ApiScope(messaging=MessagingGrant()), ".room/participants", "r"),
        (ApiScope(messaging=MessagingGrant(list=False)), ".room/participants", ""),
        (ApiScope.full(), ".room/participants", "r"),
        (ApiScope(containers=ContainersGrant()), ".room/containers", "r"),
        (ApiScope(containers=ContainersGrant(use_containers=False)), ".room/containers", ""),
        (ApiScope(services=ServicesGrant()), ".room/services", "r"),
        (ApiScope(services=ServicesGrant(list=False)), ".room/services", ""),
        (ApiScope(developer=DeveloperGrant()), ".room/logs", "r"),
        (ApiScope(developer=DeveloperGrant(logs=False)), ".room/logs", ""),
        (ApiScope.full(), ".ROOM/participants", ""),
        (ApiScope.full(), ".room/other", ""),
        (ApiScope.full(), ".room", ""),
        (ApiScope.full(), ".rooms", "rw"),
    ],
)
def test_documents_are_opened_by_the_scope(
    scope: ApiScope | None, path: str, expected: str
) -> None:
    who = participant(scope)

    assert "r" * who.may_read(path) + "w" * who.may_write(path) == expected


@pytest.mark.parametrize(
    ("scope", "action", "path", "why"),
    [
        (None, "read", "a", "no api grant"),
        (ApiScope(), "read", "a", "no sync grant"),
        (ApiScope(sync=DOCS), "write", "docs/a", "read-only"),
        (ApiScope(), "write", ".room/participants", "only the server writes"),
        (ApiScope(), "read", ".room/participants", "messaging grant"),
        (ApiScope(), "read", ".room/x", "no such document"),
    ],
)
def test_refusal_says_which_grant_is_missing(
    scope: ApiScope | None, action: Literal["read", "write"], path: str, why: str
) -> None:
    decision = participant(scope).decide(action, path)

    assert not decision.allowed
    assert why in decision.why


def test_who_is_here_may_be_known_with_a_messaging_grant_that_lists() -> None:
    assert participant(ApiScope.user_default()).may_list_participants
    assert not participant(ApiScope(messaging=MessagingGrant(list=False))).may_list_participants
    assert not participant(ApiScope(sync=SyncGrant())).may_list_participants
    assert not participant(None).may_list_participants
