"""
The one spelling of a document's path, and of the paths that grants name.

Documents and files share one namespace: two spellings of a path are one document, or they are
refused. What passes here is NFC text of one or more names joined by ``/``, none of them empty,
``.`` or ``..``, without control characters and backslashes, and short enough for every store.
"""

from __future__ import annotations

import re
import unicodedata

from syncroom.errors import Malformed
from syncroom.limits import Limits

RESERVED_ROOT = ".room"
"""What lies here is written by the server alone."""

PARTICIPANTS_PATH = ".room/participants"
"""The document in which a room keeps who is here."""

_ROOM_NAME = re.compile("[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")

_BYTES_MAX = Limits().path_bytes_max
_SHOWN_CHARACTERS_MAX = 80
_REFUSED_CHARACTER = re.compile("[\x00-\x1f\x7f-\x9f\\\\\ud800-\udfff]")


def check_room_name(name: str) -> None:
    """Raise `Malformed` unless a new room may have this name."""
    if not _ROOM_NAME.fullmatch(name):
        raise Malformed(
            f"{name[:_SHOWN_CHARACTERS_MAX]!r} can't be the name of a room: it takes 1 to 63 small "
            "letters, digits and hyphens, with a letter or a digit at both ends"
        )


def normalise(path: str, *, bytes_max: int = _BYTES_MAX) -> str:
    """Return the one spelling of a path; raises `Malformed` where it cannot name a document."""
    names = _names(path, _text(path, bytes_max).split("/"))
    if not names:
        raise _malformed(path, "is empty")
    return _short("/".join(names), path, bytes_max)


def normalise_pattern(pattern: str, *, bytes_max: int = _BYTES_MAX) -> str:
    """Return the one spelling of a grant's path: like a path, but a last ``*`` is kept.

    What stands between the last ``/`` and the ``*`` is the beginning of a name, not a name.
    """
    if not pattern.endswith("*"):
        return normalise(pattern, bytes_max=bytes_max)
    *folders, beginning = _text(pattern[:-1], bytes_max).split("/")
    prefix = "/".join([*_names(pattern, folders), beginning])
    return _short(prefix, pattern, bytes_max) + "*"


def is_reserved(path: str) -> bool:
    """Whether a normalised path is kept for the documents that the server writes."""
    return path.split("/", 1)[0].casefold() == RESERVED_ROOT


def _text(path: str, bytes_max: int) -> str:
    """Return a path as NFC; the length is bounded first, for composing long text takes long."""
    if len(path) > bytes_max:
        raise _too_long(path, bytes_max)
    refused = _REFUSED_CHARACTER.search(path)
    if refused is not None:
        raise _malformed(path, _reason(refused.group()))
    return unicodedata.normalize("NFC", path)


def _reason(character: str) -> str:
    if character == "\\":
        return "holds a backslash: names are joined by /"
    if character >= "\ud800":
        return "holds half of a surrogate pair, which is not text"
    return "holds a control character"


def _names(path: str, segments: list[str]) -> list[str]:
    if ".." in segments:
        raise _malformed(path, "holds '..': name the document itself")
    return [segment for segment in segments if segment not in ("", ".")]


def _short(text: str, path: str, bytes_max: int) -> str:
    if len(text.encode()) > bytes_max:
        raise _too_long(path, bytes_max)
    return text


def _too_long(path: str, bytes_max: int) -> Malformed:
    return _malformed(path, f"is longer than {bytes_max} bytes")


def _malformed(path: str, reason: str) -> Malformed:
    shown = path[:_SHOWN_CHARACTERS_MAX]
    dots = "..." if len(shown) < len(path) else ""
    return Malformed(f"the path {shown!r}{dots} {reason}")
