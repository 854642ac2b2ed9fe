"""
Bytes that nobody can read, change or move without the key, which is kept outside the database.

What is sealed says where it belongs: opened as another secret's, or in another room, it is damaged.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from syncroom.errors import Damaged

_KEY_BYTES = 32
_NONCE_BYTES = 12


class Seal:
    """Seals and opens with AES-256-GCM.

    Args:
        secret: a text that nobody can guess; the key is derived from it.
    """

    def __init__(self, secret: str) -> None:
        derive = HKDF(SHA256(), _KEY_BYTES, salt=None, info=b"syncroom secrets")
        self._cipher = AESGCM(derive.derive(secret.encode()))

    def close(self, data: bytes, place: bytes) -> bytes:
        """Seal bytes for the place where they belong."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, data, place)

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """What was sealed for a place; raises `Damaged`."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place)
        except (InvalidTag, ValueError):
            raise Damaged(
                "a secret can't be opened: it was altered or moved, or sealed with another key"
            ) from None
