"""
The secrets that tokens are signed with: API keys, and the server's default secret.

An API key is text of the form ``ma-<key id>-<project id>-<secret>``. Both ids are UUIDs, the 16
bytes written as base64url without padding and with ``.`` in place of ``-``; the secret is used as
it stands. No secret ever shows in a ``repr`` or in the text of an error.
"""

from __future__ import annotations

import base64
import hmac
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from syncroom.errors import Malformed, Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syncroom.auth.jws import SignedObject

SECRET_BYTES_MIN = 32
"""What HS256 needs to be as strong as its hash (RFC 7518, 3.2); keys made here have it."""

KEY_ENTROPY_BYTES = 64
"""Random bytes that a new API key takes: two ids and a secret."""

_PREFIX = "ma-"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key that signs tokens in the name of a project."""

    id: str
    project_id: str
    secret: str = field(repr=False)
    name: str = field(default="", compare=False)
    """What its owner calls it."""


class Keyring:
    """Every secret that a server accepts: its API keys by id, and the default for the rest."""

    __slots__ = ("_default_secret", "_keys", "version")

    def __init__(self, default_secret: str, keys: Iterable[ApiKey] = ()) -> None:
        self.version = 0
        """Another one whenever other keys are accepted than before."""
        self._default_secret = check_secret(default_secret)
        self._keys = {key.id: key for key in keys}

    def replace(self, keys: Iterable[ApiKey]) -> set[str]:
        """Accept these keys from now on and no others; return the ids of those that ended."""
        before, self._keys = self._keys, {key.id: key for key in keys}
        self.version += 1
        return {id for id, key in before.items() if self._keys.get(id) != key}

    def find(self, text: str) -> ApiKey:
        """Return the key that somebody presents; raises `Unauthenticated`."""
        try:
            given = parse_api_key(text)
        except Malformed as error:
            raise Unauthenticated(str(error)) from None
        key = self.key(given.id)
        if key is None or not hmac.compare_digest(key.secret.encode(), given.secret.encode()):
            raise Unauthenticated("the API key is not one of this server, or was revoked")
        return key

    @property
    def project_id(self) -> str | None:
        """The project of the keys; None where there is no key."""
        return next((key.project_id for key in self._keys.values()), None)

    def secret_for(self, kid: str | None) -> str:
        """Return the secret of a key, or the default one where no such key is known."""
        key = self.key(kid)
        return self._default_secret if key is None else key.secret

    def has_signed(self, found: SignedObject) -> bool:
        """Whether the key that an object names signed it, or the default secret."""
        kid = found.payload.get("kid")
        return found.is_signed_with(self.secret_for(kid if isinstance(kid, str) else None))

    def key(self, kid: str | None) -> ApiKey | None:
        """Return the key with this id; None where the default secret is meant."""
        return None if kid is None else self._keys.get(kid)


def check_secret(secret: str) -> str:
    """Return a secret that can sign; raises `Malformed`, without showing it, for any other."""
    if not secret.strip():
        raise Malformed("a signing secret must not be empty")
    try:
        secret.encode()
    except UnicodeEncodeError:
        raise Malformed("a signing secret must be Unicode text") from None
    return secret


def parse_api_key(text: str) -> ApiKey:
    """Read ``ma-<key id>-<project id>-<secret>``; raises `Malformed`, without showing any of it."""
    parts = text.removeprefix(_PREFIX).split("-", 2)
    if not text.startswith(_PREFIX) or len(parts) != 3:
        raise Malformed("an API key has the form ma-<key id>-<project id>-<secret>")
    key_id, project_id, secret = parts
    return ApiKey(_expand_uuid(key_id), _expand_uuid(project_id), check_secret(secret))


def encode_api_key(key: ApiKey) -> str:
    """Write a key as the text that `parse_api_key` reads; raises `Malformed` for other ids."""
    return f"{_PREFIX}{_compress_uuid(key.id)}-{_compress_uuid(key.project_id)}-{key.secret}"


def mint_api_key(entropy: bytes, project_id: str | None = None) -> ApiKey:
    """Make a key from `KEY_ENTROPY_BYTES` random bytes, for a new project where none is named."""
    if len(entropy) != KEY_ENTROPY_BYTES:
        raise ValueError(f"an API key takes {KEY_ENTROPY_BYTES} random bytes, got {len(entropy)}")
    return ApiKey(
        id=_random_uuid(entropy[:16]),
        project_id=project_id or _random_uuid(entropy[16:32]),
        secret=mint_secret(entropy[32:]),
    )


def mint_secret(entropy: bytes) -> str:
    """Write random bytes as a secret that survives shells, files and environments."""
    if len(entropy) < SECRET_BYTES_MIN:
        raise ValueError(f"a secret takes at least {SECRET_BYTES_MIN} random bytes")
    return base64.urlsafe_b64encode(entropy).decode().rstrip("=")


def _random_uuid(entropy: bytes) -> str:
    return str(uuid.UUID(bytes=entropy, version=4))


def _compress_uuid(text: str) -> str:
    try:
        number = uuid.UUID(text)
    except ValueError:
        raise Malformed("the ids of an API key must be UUIDs") from None
    return base64.urlsafe_b64encode(number.bytes).decode().rstrip("=").replace("-", ".")


def _expand_uuid(text: str) -> str:
    try:
        number = uuid.UUID(bytes=base64.urlsafe_b64decode(text.replace(".", "-") + "=="))
    except ValueError:
        raise Malformed("the ids of an API key must be UUIDs in base64url") from None
    if _compress_uuid(str(number)) != text:
        raise Malformed("the ids of an API key must be UUIDs in base64url")
    return str(number)
