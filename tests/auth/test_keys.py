"""API keys as the published SDKs write them, and the choice of a secret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncroom.auth.keys import (
    KEY_ENTROPY_BYTES,
    SECRET_BYTES_MIN,
    ApiKey,
    Keyring,
    encode_api_key,
    mint_api_key,
    mint_secret,
    parse_api_key,
)
from syncroom.errors import Malformed

PUBLISHED = (
    "ma-.j.DnM2qR6WWEq4.mYmfuQ-_B55PLVWSWu_B4GCuETgWA-test-secret-secure-secret-sample2560binarykey"
)


def test_published_key_is_read_and_written_back() -> None:
    key = parse_api_key(PUBLISHED)

    assert key == ApiKey(
        id="fa3f839c-cdaa-47a5-9612-ae3e99899fb9",
        project_id="fc1e793c-b556-496b-bf07-8182b844e058",
        secret="test-secret-secure-secret-sample2560binarykey",
    )
    assert encode_api_key(key) == PUBLISHED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ma-",
        "ma-a-b-c",
        "sk" + PUBLISHED[2:],
        PUBLISHED.upper(),
        " " + PUBLISHED,
        PUBLISHED.rsplit("-test", 1)[0],
        PUBLISHED.rsplit("-test", 1)[0] + "-",
        PUBLISHED.rsplit("-test", 1)[0] + "- \n",
        PUBLISHED.replace("ma-.j", "ma-+j"),
        PUBLISHED.replace("ma-.j", "ma-\u00e9j"),
        PUBLISHED.replace("fuQ-", "fuR-"),  # bits that no UUID has
        PUBLISHED.replace("fuQ-", "fuQ==-"),
        PUBLISHED.replace("fuQ-", "-"),
        PUBLISHED + "\ud800",
    ],
)
def test_other_text_is_no_key_and_is_not_shown(text: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse_api_key(text)

    assert "secure-secret" not in str(caught.value)
    assert "mYmf" not in str(caught.value)


def test_key_with_an_id_that_is_no_uuid_cannot_be_written() -> None:
    with pytest.raises(Malformed, match="must be UUIDs"):
        encode_api_key(ApiKey("key", "project", "secret"))


@given(st.binary(min_size=KEY_ENTROPY_BYTES, max_size=KEY_ENTROPY_BYTES))
def test_minted_key_is_strong_and_survives_writing(entropy: bytes) -> None:
    key = mint_api_key(entropy)

    assert parse_api_key(encode_api_key(key)) == key
    assert len(key.secret) >= SECRET_BYTES_MIN
    assert key.id != key.project_id or entropy[:16] == entropy[16:32]


def test_minted_key_belongs_to_the_project_that_is_named() -> None:
    project_id = "fc1e793c-b556-496b-bf07-8182b844e058"

    assert mint_api_key(bytes(KEY_ENTROPY_BYTES), project_id).project_id == project_id


def test_too_few_random_bytes_make_neither_key_nor_secret() -> None:
    with pytest.raises(ValueError, match="64 random bytes, got 63"):
        mint_api_key(bytes(KEY_ENTROPY_BYTES - 1))
    with pytest.raises(ValueError, match="at least 32"):
        mint_secret(bytes(SECRET_BYTES_MIN - 1))


def test_keyring_knows_keys_by_id_and_has_one_secret_for_the_rest() -> None:
    key = parse_api_key(PUBLISHED)
    keyring = Keyring("the default", [key])

    assert keyring.secret_for(key.id) == key.secret
    assert keyring.secret_for("unknown") == "the default"
    assert keyring.secret_for(None) == "the default"
    assert keyring.key(key.id) is key
    assert keyring.key("../secret") is None


@pytest.mark.parametrize("secret", ["", " \n", "\ud800"])
def test_keyring_refuses_a_default_that_cannot_sign(secret: str) -> None:
    with pytest.raises(Malformed):
        Keyring(secret)


def test_secrets_do_not_show() -> None:
    key = parse_api_key(PUBLISHED)

    assert "secure-secret" not in repr(key)
    assert "secure-secret" not in repr(Keyring(key.secret, [key]))
