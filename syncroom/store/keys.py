"""
The secrets in the data folder: the default one, made at the first start, and the API keys.

Files are written whole or not at all, on disk before anybody uses what is in them, and readable
by their owner only. A file that others may read, or that cannot be understood, is refused with
`Misconfigured`, which names it and shows nothing of it; it is never written over.
"""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from syncroom.auth.keys import (
    KEY_ENTROPY_BYTES,
    SECRET_BYTES_MIN,
    ApiKey,
    Keyring,
    check_secret,
    encode_api_key,
    mint_api_key,
    mint_secret,
    parse_api_key,
)
from syncroom.errors import Malformed, Misconfigured, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator


_NAMED_KEYS = TypeAdapter(dict[str, str])


class KeyFile:
    """The files ``secret``, ``secrets.key`` and ``keys.json`` of a data folder."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir
        self._secret_path = data_dir / "secret"
        self._sealing_path = data_dir / "secrets.key"
        self._keys_path = data_dir / "keys.json"

    def keyring(self, secret: str | None = None) -> Keyring:
        """Return every secret that is accepted. Without a secret given, the folder's is used."""
        keys = self.keys().values()
        if secret is None:
            return Keyring(self.secret(), keys)
        try:
            return Keyring(secret, keys)
        except Malformed as error:
            raise Misconfigured(f"the secret that is configured cannot be used: {error}") from None

    def has_secret(self) -> bool:
        """Whether the folder's secret was made, so that asking for it makes none."""
        return self._secret_path.exists()

    def secret(self) -> str:
        """Return the folder's secret; the first time, make it."""
        return self._kept(self._secret_path)

    def sealing_secret(self) -> str:
        """Return what the secrets of rooms are sealed with; the first time, make it."""
        return self._kept(self._sealing_path)

    def keys(self) -> dict[str, ApiKey]:
        """Return the API keys by name."""
        text = _read(self._keys_path)
        if text is None:
            return {}
        try:
            named = _NAMED_KEYS.validate_json(text)
        except ValidationError:
            form = '{"name": "ma-...", ...}'
            raise Misconfigured(f"{self._keys_path} is not JSON of the form {form}") from None
        try:
            keys = {name: replace(parse_api_key(key), name=name) for name, key in named.items()}
        except Malformed as error:
            raise Misconfigured(f"{self._keys_path} cannot be used: {error}") from None
        if len({key.id for key in keys.values()}) != len(keys):
            raise Misconfigured(f"{self._keys_path} holds two keys with one id")
        if len({key.project_id for key in keys.values()}) > 1:
            raise Misconfigured(f"{self._keys_path} holds keys of two projects: a server has one")
        return keys

    def version(self) -> tuple[int, ...] | None:
        """What is another one whenever the file of the keys has changed; None while there is none.

        It tells too when others got the right to read the file, or lost it.
        """
        try:
            found = self._keys_path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def add(self, name: str, project_id: str | None = None) -> ApiKey:
        """Make an API key under a name that is free, for the project of the folder's other keys.

        Args:
            name: what people call it.
            project_id: the project, a UUID; for the first key it may be any, later only the same.
        """
        if not name.strip():
            raise Misconfigured("an API key needs a name")
        with self._alone():
            keys = self.keys()
            if name in keys:
                raise Misconfigured(f"there is an API key named {name!r} already")
            known = next((key.project_id for key in keys.values()), project_id)
            if project_id not in (None, known):
                raise Misconfigured(f"the keys here are of project {known}: a server has one")
            keys[name] = replace(mint_api_key(os.urandom(KEY_ENTROPY_BYTES), known), name=name)
            self._write_keys(keys)
        return keys[name]

    def revoke(self, name: str) -> None:
        """End an API key; raises `NotFound`."""
        with self._alone():
            keys = self.keys()
            if keys.pop(name, None) is None:
                raise NotFound(f"there is no API key named {name!r}")
            self._write_keys(keys)

    def _kept(self, path: Path) -> str:
        """Return the secret in a file; the first time, make it."""
        text = _read(path)
        if text is None:
            with self._alone():
                text = _read(path)
                if text is None:
                    text = mint_secret(os.urandom(SECRET_BYTES_MIN))
                    _write(path, text + "\n")
        try:
            return check_secret(text.strip())
        except Malformed as error:
            raise Misconfigured(f"{path} cannot be used: {error}") from None

    def _write_keys(self, keys: dict[str, ApiKey]) -> None:
        named = {name: encode_api_key(key) for name, key in keys.items()}
        _write(self._keys_path, _NAMED_KEYS.dump_json(named, indent=2).decode() + "\n")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from writing the folder's secrets at the same time."""
        lock_path = self._folder / "keys.lock"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unusable(lock_path, error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _read(path: Path) -> str | None:
    """Return the text of a file that only its owner may read; None where there is no file."""
    try:
        with path.open(encoding="utf-8") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(path, error) from error
    if mode & 0o077:
        raise Misconfigured(f"{path} may be used by others (mode {mode:04o}): chmod 600 {path}")
    return text


def _write(path: Path, text: str) -> None:
    """Put a file in place, whole and on disk."""
    try:
        descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mode 0600
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
        finally:
            Path(draft).unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        raise _unusable(path, error) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unusable(path: Path, error: Exception) -> Misconfigured:
    reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
    return Misconfigured(f"{path} cannot be used: {reason}")
