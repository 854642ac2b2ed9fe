"""Signed text of any kind, made without the code under test: wrong claims need good signatures."""

from __future__ import annotations

import base64
import hmac
import json

SECRET = "a secret of thirty-two characters"
HEADER = '{"alg":"HS256","typ":"JWT"}'


def b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def forge(
    payload: object,
    *,
    header: str | bytes = HEADER,
    secret: str = SECRET,
    digest: str = "sha256",
) -> str:
    """Sign a payload, given as a value or as the very text, under any header."""
    text = payload if isinstance(payload, str | bytes) else json.dumps(payload)
    parts = [part.encode() if isinstance(part, str) else part for part in (header, text)]
    signed = ".".join(map(b64, parts))
    return f"{signed}.{b64(hmac.digest(secret.encode(), signed.encode(), digest))}"
