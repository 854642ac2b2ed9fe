"""Participant tokens: what they say, who may sign them, and every way in which they do not hold."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncroom.auth.keys import ApiKey, Keyring, encode_api_key, parse_api_key
from syncroom.auth.scopes import ApiScope, SyncGrant
from syncroom.auth.token import LEEWAY_S, ParticipantGrant, ParticipantToken
from syncroom.errors import Malformed, SyncroomError, Unauthenticated
from tests.auth.forge import HEADER, SECRET, b64, forge

NOW = 1_800_000_000.0
KEY = ApiKey(
    id="fa3f839c-cdaa-47a5-9612-ae3e99899fb9",
    project_id="fc1e793c-b556-496b-bf07-8182b844e058",
    secret="the secret of a key that signs for a project",
)
KEYRING = Keyring(SECRET, [KEY])
ROOM = {"name": "room", "scope": "demo"}
API = {"name": "api", "scope": {"sync": {}}}
UNSIGNED = b64(b'{"alg":"none","typ":"JWT"}') + "." + b64(b'{"name":"ann","grants":[]}') + "."
GOOD: dict[str, Any] = {"name": "ann", "grants": [ROOM, API]}


def read(text: str, now: float = NOW) -> ParticipantToken:
    return ParticipantToken.from_jwt(text, keyring=KEYRING, now=now)


def with_grants(*grants: object) -> dict[str, Any]:
    return GOOD | {"grants": list(grants)}


ACCEPTED: dict[str, str] = {
    "nothing but a name and grants": forge(GOOD),
    "no grants at all": forge(with_grants()),
    "not expired": forge(GOOD | {"exp": NOW + 1}),
    "expired within the leeway": forge(GOOD | {"exp": NOW - LEEWAY_S + 1}),
    "a fraction of a second": forge(GOOD | {"exp": NOW + 0.5}),
    "valid since now": forge(GOOD | {"nbf": NOW}),
    "valid within the leeway": forge(GOOD | {"nbf": NOW + LEEWAY_S}),
    "minted in the future, which means nothing": forge(GOOD | {"iat": NOW + 9999}),
    "an issuer, which means nothing": forge(GOOD | {"iss": "somebody"}),
    "no audience": forge(GOOD | {"aud": None}),
    "claims of others": forge(GOOD | {"tenant": {"id": [1, None, "x"]}}),
    "another type in the header": forge(GOOD, header='{"alg":"HS256","typ":"at+jwt"}'),
    "no type in the header": forge(GOOD, header='{"alg":"HS256"}'),
    "a key in the header, which means nothing": forge(
        GOOD, header='{"alg":"HS256","kid":"../../dev/null","jku":"https://evil.example"}'
    ),
    "an unknown key": forge(GOOD | {"kid": "unknown", "sub": "testproject"}),
    "a key that is a path": forge(GOOD | {"kid": "../secret"}),
    "no key": forge(GOOD | {"kid": None}),
    "a known key": forge(GOOD | {"kid": KEY.id}, secret=KEY.secret),
    "a version": forge(GOOD | {"version": "0.56.0"}),
    "unknown grants": forge(with_grants(ROOM, {"name": "x", "scope": {"y": 1}})),
    "unknown fields of a grant": forge(with_grants(ROOM | {"note": "x"})),
    "any Unicode name": forge(GOOD | {"name": "\u00c5sa \U0001f600"}),
    "spaces in the JSON": forge('{ "name" : "ann" , "grants" : [ ] }'),
}

REFUSED: dict[str, tuple[str, str]] = {
    # Not a token.
    "empty text": ("", "three parts"),
    "some text": ("hello", "three parts"),
    "an API key": (encode_api_key(KEY), "three parts"),
    "two parts": (forge(GOOD).rpartition(".")[0], "three parts"),
    "five parts, as of an encrypted token": (forge(GOOD) + ".a.b", "three parts"),
    "longer than allowed": (forge(GOOD | {"x": "x" * 8192}), "longer than 8192 bytes"),
    "over-long text": ("." * 2_000_000, "longer than 8192 bytes"),
    "space before": (" " + forge(GOOD), "base64url"),
    "a line break after": (forge(GOOD) + "\n", "base64url"),
    "padding": (forge(GOOD) + "=", "base64url"),
    # Algorithms.
    "alg none, unsigned": (UNSIGNED, "HS256"),
    "alg none, signed": (forge(GOOD, header='{"alg":"none"}'), "HS256"),
    "alg nOnE": (forge(GOOD, header='{"alg":"nOnE"}'), "HS256"),
    "alg missing": (forge(GOOD, header='{"typ":"JWT"}'), "HS256"),
    "alg null": (forge(GOOD, header='{"alg":null}'), "HS256"),
    "alg empty": (forge(GOOD, header='{"alg":""}'), "HS256"),
    "alg in a list": (forge(GOOD, header='{"alg":["HS256"]}'), "HS256"),
    "HS384": (forge(GOOD, header='{"alg":"HS384"}', digest="sha384"), "HS256"),
    "HS512": (forge(GOOD, header='{"alg":"HS512"}', digest="sha512"), "HS256"),
    "RS256 signed with HMAC": (forge(GOOD, header='{"alg":"RS256"}'), "HS256"),
    "ES256 signed with HMAC": (forge(GOOD, header='{"alg":"ES256"}'), "HS256"),
    "critical header": (forge(GOOD, header='{"alg":"HS256","crit":["exp"]}'), "critical"),
    "detached payload": (
        forge(GOOD, header='{"alg":"HS256","b64":false,"crit":["b64"]}'),
        "critical",
    ),
    "two algorithms": (forge(GOOD, header='{"alg":"none","alg":"HS256"}'), "not valid JSON"),
    # Signatures.
    "no signature": (forge(GOOD).rpartition(".")[0] + ".", "secret that is not in use"),
    "another secret": (forge(GOOD, secret="another"), "secret that is not in use"),
    "another digest": (forge(GOOD, digest="sha512"), "secret that is not in use"),
    "empty secret": (forge(GOOD, secret=""), "secret that is not in use"),
    "signature of other text": (
        forge(GOOD).rpartition(".")[0] + "." + forge(API).rpartition(".")[2],
        "secret that is not in use",
    ),
    "default secret under a known key": (forge(GOOD | {"kid": KEY.id}), "secret that is not"),
    "a key's secret under no key": (forge(GOOD, secret=KEY.secret), "secret that is not"),
    "a key's secret under another": (
        forge(GOOD | {"kid": "unknown"}, secret=KEY.secret),
        "secret that is not",
    ),
    "a key named in the header only": (
        forge(GOOD, header=f'{{"alg":"HS256","kid":"{KEY.id}"}}', secret=KEY.secret),
        "secret that is not",
    ),
    # JSON.
    "payload is a list": (forge([GOOD]), "must be a JSON object"),
    "payload is text": (forge("hello"), "not valid JSON"),
    "two names": (forge('{"name":"ann","name":"bob","grants":[]}'), "not valid JSON"),
    "two scopes": (
        forge('{"name":"a","grants":[{"name":"room","scope":"x","scope":"demo"}]}'),
        "not valid JSON",
    ),
    "not UTF-8": (forge(b'{"name":"\xff","grants":[]}'), "not valid JSON"),
    "NaN": (forge('{"name":"ann","grants":[],"exp":NaN}'), "not valid JSON"),
    "infinite": (forge('{"name":"ann","grants":[],"exp":Infinity}'), "not valid JSON"),
    "infinite in digits": (forge('{"name":"ann","grants":[],"exp":1e999}'), "not valid JSON"),
    # Times.
    "expired": (forge(GOOD | {"exp": NOW - LEEWAY_S}), "expired at 2027-01-15T07:59:30"),
    "expired long ago": (forge(GOOD | {"exp": 0}), "expired at 1970-01-01"),
    "not valid yet": (forge(GOOD | {"nbf": NOW + LEEWAY_S + 1}), "not valid before 2027-01-15"),
    "exp true": (forge(GOOD | {"exp": True}), "exp must be a number"),
    "exp in text": (forge(GOOD | {"exp": str(NOW + 60)}), "exp must be a number"),
    "exp null": (forge(GOOD | {"exp": None}), "exp must be a number"),
    "exp in a list": (forge(GOOD | {"exp": [NOW + 60]}), "exp must be a number"),
    "exp negative": (forge(GOOD | {"exp": -1}), "exp is not a time"),
    "exp huge": (forge(GOOD | {"exp": 10**300}), "exp is not a time"),
    "exp in milliseconds": (forge(GOOD | {"exp": NOW * 1000}), "exp is not a time"),
    "exp just past the calendar": (forge(GOOD | {"exp": 253_402_300_800}), "exp is not a time"),
    "nbf false": (forge(GOOD | {"nbf": False}), "nbf must be a number"),
    "nbf in text": (forge(GOOD | {"nbf": "0"}), "nbf must be a number"),
    "nbf huge": (forge(GOOD | {"nbf": 1e300}), "nbf is not a time"),
    # Other claims.
    "meant for others": (forge(GOOD | {"aud": "others"}), "another audience"),
    "meant for several": (forge(GOOD | {"aud": ["others", "syncroom"]}), "another audience"),
    "no name": (forge({"grants": [ROOM]}), "name: "),
    "empty name": (forge(GOOD | {"name": ""}), "needs a name"),
    "blank name": (forge(GOOD | {"name": " \t"}), "needs a name"),
    "name is a number": (forge(GOOD | {"name": 5}), "name: "),
    "name is half a surrogate pair": (forge('{"name":"\\ud83d","grants":[]}'), "not valid JSON"),
    "no grants": (forge({"name": "ann"}), "grants: "),
    "grants null": (forge(GOOD | {"grants": None}), "grants: "),
    "grants in an object": (forge(GOOD | {"grants": {"room": "demo"}}), "grants: "),
    "grant is text": (forge(with_grants("room")), "grants.0: "),
    "grant without a name": (forge(with_grants(ROOM, {"scope": "demo"})), "grants.1.name: "),
    "grant without a scope": (forge(with_grants({"name": "room"})), "grants.0.scope: "),
    "room is a list": (forge(with_grants({"name": "room", "scope": ["demo"]})), "grants.0.scope: "),
    "role is an object": (forge(with_grants({"name": "role", "scope": {}})), "grants.0.scope: "),
    "api is text": (forge(with_grants({"name": "api", "scope": "full"})), "grants.0.scope"),
    "api is null": (forge(with_grants({"name": "api", "scope": None})), "grants.0.scope"),
    "a wrong type within api": (
        forge(with_grants({"name": "api", "scope": {"sync": {"paths": "*"}}})),
        "grants.0.scope",
    ),
    "two api grants": (forge(with_grants(API, API)), "only one api grant"),
    "kid is a number": (forge(GOOD | {"kid": 5}), "api_key_id: "),
    "sub is an object": (forge(GOOD | {"sub": {}}), "project_id: "),
    "version is a number": (forge(GOOD | {"version": 1}), "version: "),
}


@pytest.mark.parametrize("text", ACCEPTED.values(), ids=ACCEPTED)
def test_good_token_is_accepted(text: str) -> None:
    assert read(text).name


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED)
def test_bad_token_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(Unauthenticated) as caught:
        read(text)

    assert reason in str(caught.value)


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED)
def test_refusal_shows_nothing_of_the_token(text: str, reason: str) -> None:
    with pytest.raises(Unauthenticated) as caught:
        read(text)

    shown = str(caught.value)
    assert len(shown) < 200
    assert not any(part in shown for part in text.split(".") if len(part) > 8)


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \x00\u00e9"
MUTATIONS = 10_000


def mutate(text: str, rng: random.Random) -> str:
    at, to = sorted(rng.randrange(len(text)) for _ in range(2))
    character = rng.choice(ALPHABET)
    return rng.choice(
        [
            text[:at] + character + text[at + 1 :],
            text[:at] + character + text[at:],
            text[:at] + text[at + 1 :],
            text[:at] + text[to:],
            text[:to] + text[at:],
            text[:at] + text[at:to][::-1] + text[to:],
            text[:at] + text[at:to].swapcase() + text[to:],
        ]
    )


def test_no_mutated_token_is_accepted() -> None:
    rng = random.Random(20_260_701)
    sources = [*ACCEPTED.values()]
    accepted = []
    for _ in range(MUTATIONS):
        text = rng.choice(sources)
        mutant = mutate(text, rng)
        try:
            read(mutant)
        except Unauthenticated:
            continue
        if mutant != text:
            accepted.append(mutant)

    assert accepted == []


def test_no_mutated_payload_with_a_good_signature_breaks_the_reader() -> None:
    rng = random.Random(20_260_702)
    token = ParticipantToken(name="ann", extra_payload={"exp": NOW + 60})
    token.add_room_grant("demo")
    token.add_api_grant(ApiScope.full())
    source = json.dumps(token.to_json())
    for _ in range(MUTATIONS // 5):
        try:
            read(forge(mutate(source, rng)))
        except Unauthenticated:
            continue


@given(st.text())
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(Unauthenticated):
        read(text)


@given(
    st.dictionaries(
        st.sampled_from(["name", "grants", "sub", "kid", "version", "exp", "nbf", "aud"]),
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
        | st.lists(st.dictionaries(st.sampled_from(["name", "scope"]), st.text()), max_size=2),
    )
)  # fmt: skip
def test_any_payload_is_read_or_refused_on_purpose(payload: dict[str, Any]) -> None:
    try:
        ParticipantToken.from_json(payload).check_time(NOW)
    except SyncroomError:
        return


def test_token_says_who_somebody_is() -> None:
    token = read(forge(GOOD | {"sub": "p", "kid": "k", "version": "1", "exp": NOW + 5, "x": [1]}))

    assert token.name == "ann"
    assert token.rooms == ["demo"]
    assert (token.project_id, token.api_key_id, token.version) == ("p", "k", "1")
    assert token.extra_payload == {"exp": NOW + 5, "x": [1]}
    assert token.expires_at == NOW + 5
    assert token.not_before is None
    assert token.get_api_grant() == ApiScope(sync=SyncGrant())


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        ([], "user"),
        (["user"], "user"),
        (["agent"], "agent"),
        (["user", "agent"], "agent"),
        (["tool", "agent"], "tool"),
        (["moderator"], "moderator"),
    ],
)
def test_role_is_the_first_that_is_not_user(roles: list[str], expected: str) -> None:
    token = ParticipantToken(name="ann")
    for role in roles:
        token.add_role_grant(role)

    assert token.role == expected
    assert token.is_user is (expected == "user")


def test_each_helper_adds_its_grant() -> None:
    token = ParticipantToken(name="ann")
    token.add_room_grant("one")
    token.add_room_grant("two")
    token.add_role_grant("agent")
    token.add_site_grant("site")
    token.add_agent_grant("helper")
    token.add_tunnel_grant([9000, 9001])
    token.add_api_grant(ApiScope(sync=SyncGrant()))

    assert token.rooms == ["one", "two"]
    assert token.grant_scope("room") == "one"
    assert token.grant_scope("site") == "site"
    assert token.grant_scope("agent") == "helper"
    assert token.grant_scope("tunnel_ports") == "9000,9001"
    assert token.grant_scope("other") is None
    assert token.to_json()["grants"] == [
        {"name": "room", "scope": "one"},
        {"name": "room", "scope": "two"},
        {"name": "role", "scope": "agent"},
        {"name": "site", "scope": "site"},
        {"name": "agent", "scope": "helper"},
        {"name": "tunnel_ports", "scope": "9000,9001"},
        {"name": "api", "scope": {"sync": {}}},
    ]


def test_second_api_grant_is_refused() -> None:
    token = ParticipantToken(name="ann")
    token.add_api_grant(ApiScope())

    with pytest.raises(ValueError, match="only one api grant"):
        token.add_api_grant(ApiScope.full())


def test_token_without_an_api_grant_has_no_scope() -> None:
    assert ParticipantToken(name="ann").get_api_grant() is None


def test_payload_survives_reading_and_writing() -> None:
    payload = GOOD | {"sub": "p", "kid": "k", "version": "0.56.0", "exp": 5, "x": {"y": None}}
    payload["grants"] = [ROOM, API, {"name": "unknown", "scope": {"sync": "kept as it is"}}]

    assert ParticipantToken.from_json(payload).to_json() == payload


def test_token_signed_with_a_secret_is_accepted_under_it() -> None:
    token = ParticipantToken(name="ann", project_id="testproject", api_key_id="unknown")

    read_back = read(token.to_jwt(token=SECRET))

    assert read_back == token


def test_api_key_wins_over_a_secret_and_names_itself() -> None:
    token = ParticipantToken(name="ann", project_id="other", api_key_id="other")

    read_back = read(token.to_jwt(token="ignored", api_key=encode_api_key(KEY)))

    assert (read_back.api_key_id, read_back.project_id) == (KEY.id, KEY.project_id)
    assert token.api_key_id == "other"


def test_token_needs_something_to_be_signed_with() -> None:
    with pytest.raises(ValueError, match="give one"):
        ParticipantToken(name="ann").to_jwt()


@pytest.mark.parametrize(
    "expiration",
    [
        datetime(2027, 1, 15, 8, 0, 0, tzinfo=UTC),
        datetime(2027, 1, 15, 8, 0, 0),
        datetime(2027, 1, 15, 10, 0, 0, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_expiration_is_written_in_seconds_of_utc(expiration: datetime) -> None:
    text = ParticipantToken(name="ann").to_jwt(token=SECRET, expiration=expiration)

    assert read(text).expires_at == NOW


def test_unchecked_reading_says_what_a_token_says_whoever_signed_it() -> None:
    token = ParticipantToken.from_jwt_unchecked(forge(GOOD | {"exp": 5}, secret="another"))

    assert (token.name, token.expires_at) == ("ann", 5)
    with pytest.raises(Malformed, match="needs a name"):
        ParticipantToken.from_jwt_unchecked(forge(GOOD | {"name": ""}))


def test_grant_of_the_apis_is_read_as_a_scope() -> None:
    grant = ParticipantGrant(name="api", scope={"database": {}, "tunnels": False})

    assert isinstance(grant.scope, ApiScope)
    assert grant.to_json() == {"name": "api", "scope": {"dataset": {}}}


def test_published_key_signs_tokens_that_its_secret_checks() -> None:
    published = (
        "ma-.j.DnM2qR6WWEq4.mYmfuQ-_B55PLVWSWu_B4GCuETgWA"
        "-test-secret-secure-secret-sample2560binarykey"
    )

    text = ParticipantToken(name="ann").to_jwt(api_key=published)

    payload = jwt.decode(text, parse_api_key(published).secret, algorithms=["HS256"])
    assert payload["kid"] == "fa3f839c-cdaa-47a5-9612-ae3e99899fb9"
    assert text.startswith(b64(HEADER.encode()) + ".")
