"""
A file system between SQLite and the real one, in the library that `sqlite3` itself uses.

What is tested through it is the code of the product and no copy: a database is opened as always,
and every write, sync and deletion passes here on its way. It is noted in order, may be refused
with an error, and nothing waits for the real disk.
"""

from __future__ import annotations

import _sqlite3
import ctypes
import os
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_int64, c_void_p
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Fault = Callable[[str, str], int]
    """Given an operation and a file's name, the error code of SQLite for it; 0 lets it happen."""

IOERR_WRITE, IOERR_FSYNC, IOERR_TRUNCATE, FULL, READONLY = 778, 1034, 1546, 13, 8
"""What SQLite's own file system answers when writing, syncing or cutting a file fails, when the
disk is full, and when it is read-only."""

_OPEN_CREATE, _OPEN_JOURNAL, _OPEN_WAL = 0x4, 0x800, 0x80000


class Event(NamedTuple):
    """One thing that happened, in order with all others."""

    kind: str
    """``open``, ``write``, ``truncate``, ``sync``, ``lost`` (a sync that failed), ``delete``,
    ``sync folder``, or what a test adds."""
    name: str = ""
    offset: int = 0
    data: bytes = b""
    note: Any = None


class _Methods(ctypes.Structure):
    """``sqlite3_io_methods``."""


class _File(ctypes.Structure):
    """``sqlite3_file``; SQLite's own file systems keep more behind it."""

    _fields_ = (("methods", POINTER(_Methods)),)


class _Vfs(ctypes.Structure):
    """``sqlite3_vfs``."""


_OPEN = CFUNCTYPE(c_int, POINTER(_Vfs), c_void_p, POINTER(_File), c_int, POINTER(c_int))
_DELETE = CFUNCTYPE(c_int, POINTER(_Vfs), c_char_p, c_int)
_CLOSE = CFUNCTYPE(c_int, POINTER(_File))
_WRITE = CFUNCTYPE(c_int, POINTER(_File), c_void_p, c_int, c_int64)
_TRUNCATE = CFUNCTYPE(c_int, POINTER(_File), c_int64)
_SYNC = CFUNCTYPE(c_int, POINTER(_File), c_int)

_Methods._fields_ = (
    ("version", c_int),
    ("close", _CLOSE),
    ("read", c_void_p),
    ("write", _WRITE),
    ("truncate", _TRUNCATE),
    ("sync", _SYNC),
    ("others", c_void_p * 13),
)
_Vfs._fields_ = (
    ("version", c_int),
    ("file_size", c_int),
    ("path_max", c_int),
    ("next", c_void_p),
    ("name", c_char_p),
    ("own", c_void_p),
    ("open", _OPEN),
    ("delete", _DELETE),
    ("others", c_void_p * 14),
)


class RecordedDisk:
    """All databases of this process that are opened while it is in place."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.events: list[Event] = []
        self.fault: Fault = lambda kind, name: 0
        self._library = library
        found = library.sqlite3_vfs_find
        found.restype = POINTER(_Vfs)
        self._real = found(None).contents
        self._vfs = _Vfs.from_buffer_copy(self._real)
        self._vfs.name = b"recorded"
        self._vfs.open = _OPEN(self._open)
        self._vfs.delete = _DELETE(self._delete)
        self._names: dict[int, str] = {}
        self._unsynced_names: set[str] = set()
        self._methods: dict[int, tuple[_Methods, _Methods]] = {}

    def note(self, kind: str, note: Any) -> None:
        """Note what a test did or was told."""
        self.events.append(Event(kind, note=note))

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Be the file system that databases are opened in."""

        def fsync(descriptor: int) -> None:
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            self.events.append(Event("sync folder") if path.is_dir() else Event("sync", path.name))

        self._library.sqlite3_vfs_register(ctypes.byref(self._vfs), 1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", fsync)
            try:
                yield
            finally:
                self._library.sqlite3_vfs_unregister(ctypes.byref(self._vfs))

    def _open(self, _vfs: Any, path: int | None, file: Any, flags: int, out_flags: Any) -> int:
        code: int = self._real.open(ctypes.byref(self._real), path, file, flags, out_flags)
        if code == 0 and path is not None:
            name = Path(os.fsdecode(ctypes.string_at(path))).name
            self._names[_address(file)] = name
            # SQLite syncs the folder of a new log with the first sync of the log.
            if flags & _OPEN_CREATE and flags & (_OPEN_JOURNAL | _OPEN_WAL):
                self._unsynced_names.add(name)
            self.events.append(Event("open", name))
            file.contents.methods = ctypes.pointer(self._wrapped(file.contents.methods))
        return code

    def _wrapped(self, methods: Any) -> _Methods:
        """The same methods, except for those that change a file."""
        address = ctypes.addressof(methods.contents)
        if address not in self._methods:
            real = methods.contents
            ours = _Methods.from_buffer_copy(real)
            ours.close = _CLOSE(lambda file: self._close(real, file))
            ours.write = _WRITE(lambda file, *rest: self._write(real, file, *rest))
            ours.truncate = _TRUNCATE(lambda file, size: self._truncate(real, file, size))
            ours.sync = _SYNC(lambda file, _flags: self._sync(file))
            self._methods[address] = ours, real
        return self._methods[address][0]

    def _close(self, real: Any, file: Any) -> int:
        del self._names[_address(file)]
        code: int = real.close(file)
        return code

    def _write(self, real: Any, file: Any, data: int, size: int, offset: int) -> int:
        name = self._names[_address(file)]
        code: int = self.fault("write", name)
        if code == 0:
            self.events.append(Event("write", name, offset, ctypes.string_at(data, size)))
            code = real.write(file, data, size, offset)
        return code

    def _truncate(self, real: Any, file: Any, size: int) -> int:
        name = self._names[_address(file)]
        code: int = self.fault("truncate", name)
        if code == 0:
            self.events.append(Event("truncate", name, size))
            code = real.truncate(file, size)
        return code

    def _sync(self, file: Any) -> int:
        name = self._names[_address(file)]
        code = self.fault("sync", name)
        self.events.append(Event("lost" if code else "sync", name))
        if code == 0 and name in self._unsynced_names:
            self._unsynced_names.remove(name)
            self.events.append(Event("sync folder"))
        return code

    def _delete(self, _vfs: Any, path: bytes, is_synced: int) -> int:
        name = Path(os.fsdecode(path)).name
        code: int = self.fault("delete", name)
        if code == 0:
            code = self._real.delete(ctypes.byref(self._real), path, 0)
        if code == 0:
            self.events.append(Event("delete", name))
            if is_synced:
                self.events.append(Event("sync folder"))
        return code


def recorded_disk() -> RecordedDisk:
    """A recorded disk; skips the test where `sqlite3` hides its library, and fails it with CI."""
    library = ctypes.CDLL(_sqlite3.__file__)
    if not hasattr(library, "sqlite3_vfs_register"):
        reason = "the sqlite3 module of this Python hides the functions of its library"
        if "CI" in os.environ:
            pytest.fail(reason)
        pytest.skip(reason)
    disk = RecordedDisk(library)
    # A database that a failing test left open still calls it.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(disk))
    return disk


def _address(file: Any) -> int:
    return ctypes.addressof(file.contents)
