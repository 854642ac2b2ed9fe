"""
Signed JSON: three parts of base64url joined by dots, signed with HMAC-SHA256 and nothing else.

There is one spelling of a signed object and no second reading of it: other algorithms, critical
headers, duplicate keys, padding, stray bits, infinite numbers, halves of surrogate pairs, deep
nesting and over-long text are refused, and nothing is trusted before `is_signed_with` says so.
"""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jwt.algorithms import HMACAlgorithm

from syncroom.errors import Unauthenticated
from syncroom.limits import Limits

if TYPE_CHECKING:
    from pydantic import JsonValue

_ALGORITHM = "HS256"
_HMAC = HMACAlgorithm(HMACAlgorithm.SHA256)
_BYTES_MAX = Limits().token_bytes_max
_DEPTH_MAX = Limits().value_depth_max


@dataclass(frozen=True, slots=True)
class SignedObject:
    """A payload as it was read, and what it takes to check who signed it."""

    payload: dict[str, JsonValue]
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    def is_signed_with(self, secret: str) -> bool:
        """Whether the signature was made with this secret, compared in constant time."""
        return _HMAC.verify(self.signed, secret.encode(), self.signature)


def sign(payload: dict[str, JsonValue], secret: str) -> str:
    """Write and sign a payload."""
    header = _encode(_json({"alg": _ALGORITHM, "typ": "JWT"}))
    signed = f"{header}.{_encode(_json(payload))}"
    return f"{signed}.{_encode(_HMAC.sign(signed.encode(), secret.encode()))}"


def read(text: str, *, bytes_max: int = _BYTES_MAX) -> SignedObject:
    """Read a signed object without checking who signed it; raises `Unauthenticated`."""
    if len(text) > bytes_max:
        raise Unauthenticated(f"the token is longer than {bytes_max} bytes")
    parts = text.split(".")
    if len(parts) != 3:
        raise Unauthenticated("the token is not a JWT: it must have three parts joined by dots")
    header, payload, signature = (_decode(part) for part in parts)
    _check_header(_object(header, "header"))
    signed = text.rpartition(".")[0]
    return SignedObject(_object(payload, "payload"), signed.encode(), signature)


def _check_header(header: dict[str, JsonValue]) -> None:
    if header.get("alg") != _ALGORITHM:
        raise Unauthenticated("the token must be signed with HS256")
    if "crit" in header:
        raise Unauthenticated("the token has a critical header, which is not supported")


def _json(value: dict[str, JsonValue]) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _encode(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def _decode(part: str) -> bytes:
    """Decode base64url in its one spelling: no padding, no other characters, no stray bits."""
    try:
        octets = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        octets = b""
    if _encode(octets) != part:
        raise Unauthenticated("the token is not a JWT: its parts must be base64url")
    return octets


def _object(octets: bytes, part: str) -> dict[str, JsonValue]:
    try:
        value = json.loads(
            octets.decode(),
            object_pairs_hook=_unique,
            parse_float=_finite,
            parse_constant=_finite,
        )
        _check(value)
    except (ValueError, RecursionError):
        raise Unauthenticated(f"the token's {part} is not valid JSON") from None
    if not isinstance(value, dict):
        raise Unauthenticated(f"the token's {part} must be a JSON object")
    return value


def _unique(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("duplicate key")
    return value


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("numbers must be finite")
    return number


def _check(value: JsonValue, depth: int = 0) -> None:
    """Raise `ValueError` for what is nested too deeply, and for text that is not Unicode."""
    if depth > _DEPTH_MAX:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        value.encode()  # an escaped half of a surrogate pair is JSON, but no text
    elif isinstance(value, dict):
        value = [*value, *value.values()]
    for each in value if isinstance(value, list) else ():
        _check(each, depth + 1)
