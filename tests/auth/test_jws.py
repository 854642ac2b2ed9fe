"""Signed JSON has one spelling, one algorithm and one reading."""

from __future__ import annotations

import json

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncroom.auth import jws
from syncroom.errors import Unauthenticated
from tests.auth.forge import HEADER, SECRET, b64, forge

GOOD = forge({"name": "ann"})

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


def test_signed_object_is_read_and_its_signature_checked() -> None:
    signed = jws.read(GOOD)

    assert signed.payload == {"name": "ann"}
    assert signed.is_signed_with(SECRET)
    assert not signed.is_signed_with(SECRET + "x")


def test_what_is_signed_here_is_what_others_expect() -> None:
    text = jws.sign({"name": "ann"}, SECRET)

    assert jwt.decode(text, SECRET, algorithms=["HS256"]) == {"name": "ann"}
    assert jwt.get_unverified_header(text) == {"alg": "HS256", "typ": "JWT"}


def test_what_others_sign_is_read() -> None:
    text = jwt.encode({"name": "ann", "exp": 5}, SECRET, algorithm="HS256")

    signed = jws.read(text)

    assert signed.payload == {"name": "ann", "exp": 5}
    assert signed.is_signed_with(SECRET)


@given(st.dictionaries(st.text("abcdef"), json_values, max_size=4))
def test_every_payload_survives(payload: dict[str, object]) -> None:
    expected = json.loads(json.dumps(payload))

    signed = jws.read(jws.sign(expected, SECRET), bytes_max=1 << 20)

    assert signed.payload == expected
    assert signed.is_signed_with(SECRET)


def test_numbers_that_json_does_not_have_are_not_written() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        jws.sign({"x": float("nan")}, SECRET)


def test_text_is_bounded() -> None:
    assert jws.read(GOOD, bytes_max=len(GOOD))
    with pytest.raises(Unauthenticated, match=f"longer than {len(GOOD) - 1} bytes"):
        jws.read(GOOD, bytes_max=len(GOOD) - 1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "three parts"),
        ("a.b", "three parts"),
        (GOOD + ".", "three parts"),
        ("..", "header is not valid JSON"),
        (GOOD + "=", "must be base64url"),
        (GOOD + "\n", "must be base64url"),
        (" " + GOOD, "must be base64url"),
        (GOOD.replace(".", ".=", 1), "must be base64url"),
        (GOOD.replace("e", "\u0435", 1), "must be base64url"),
        ("+" + GOOD[1:], "must be base64url"),
        (GOOD[:-1], "must be base64url"),
        (forge({}, header="[]"), "header must be a JSON object"),
        (forge({}, header='"HS256"'), "header must be a JSON object"),
        (forge({}, header="{}"), "HS256"),
        (forge({}, header='{"alg":"none"}'), "HS256"),
        (forge({}, header='{"alg":"None"}'), "HS256"),
        (forge({}, header='{"alg":"hs256"}'), "HS256"),
        (forge({}, header='{"alg":"HS384"}', digest="sha384"), "HS256"),
        (forge({}, header='{"alg":"HS512"}', digest="sha512"), "HS256"),
        (forge({}, header='{"alg":"RS256"}'), "HS256"),
        (forge({}, header='{"alg":["HS256"]}'), "HS256"),
        (forge({}, header='{"alg":null}'), "HS256"),
        (forge({}, header='{"alg":"HS256","crit":["exp"]}'), "critical header"),
        (forge({}, header='{"alg":"HS256","crit":[]}'), "critical header"),
        (forge({}, header='{"alg":"HS256","crit":null}'), "critical header"),
        (forge({}, header='{"alg":"none","alg":"HS256"}'), "header is not valid JSON"),
        (forge({}, header=b"\xff" + HEADER.encode()), "header is not valid JSON"),
        (forge({}, header=HEADER.encode("utf-16")), "header is not valid JSON"),
        (forge({}, header="\ufeff" + HEADER), "header is not valid JSON"),
        (forge("[]"), "payload must be a JSON object"),
        (forge("null"), "payload must be a JSON object"),
        (forge(""), "payload is not valid JSON"),
        (forge("{"), "payload is not valid JSON"),
        (forge("{} {}"), "payload is not valid JSON"),
        (forge('{"a":1,"a":2}'), "payload is not valid JSON"),
        (forge('{"a":{"b":1,"b":1}}'), "payload is not valid JSON"),
        (forge('{"a":NaN}'), "payload is not valid JSON"),
        (forge('{"a":-Infinity}'), "payload is not valid JSON"),
        (forge('{"a":1e999}'), "payload is not valid JSON"),
        (forge('{"a":' + "9" * 5000 + "}"), "payload is not valid JSON"),
        (forge(b'{"a":"\xff"}'), "payload is not valid JSON"),
        (forge('{"a":["\\ud83d"]}'), "payload is not valid JSON"),
        (forge('{"\\udc00":1}'), "payload is not valid JSON"),
        (f"{b64(HEADER.encode())}..{b64(b'x')}", "payload is not valid JSON"),
    ],
)
def test_everything_else_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(Unauthenticated, match=reason):
        jws.read(text)


@pytest.mark.parametrize(("depth", "readable"), [(63, True), (64, False), (2800, False)])
def test_depth_is_bounded(depth: int, readable: bool) -> None:
    text = forge('{"a":' + "[" * depth + "1" + "]" * depth + "}")

    if readable:
        assert jws.read(text).payload
        return
    with pytest.raises(Unauthenticated, match="payload is not valid JSON"):
        jws.read(text)


@pytest.mark.parametrize("signature", ["", b64(b"x"), b64(bytes(32)), b64(bytes(33))])
def test_other_signatures_do_not_hold(signature: str) -> None:
    text = f"{GOOD.rpartition('.')[0]}.{signature}"

    assert not jws.read(text).is_signed_with(SECRET)


def test_signature_does_not_hold_for_another_algorithm_under_the_same_name() -> None:
    assert not jws.read(forge({}, digest="sha512")).is_signed_with(SECRET)


def test_neither_signature_nor_signed_text_shows() -> None:
    assert GOOD.split(".")[1] not in repr(jws.read(GOOD))
