"""
Everything that syncroom raises on purpose.

    SyncroomError
    ├── Unauthenticated   no token, or one that proves nothing
    ├── Denied            the token is good and does not grant this
    ├── Malformed         these bytes or this text cannot be what they claim
    ├── LimitExceeded     well formed, too much of it
    │   └── TooManyParts  an update that can't be read at once
    ├── NotFound          no such thing, or none that the asker may know of
    ├── Conflict          there is such a thing already
    ├── Disabled          nobody may come into this room at present
    ├── Damaged           stored bytes are not what was written
    ├── Unavailable       not now; trying again later may help
    ├── Misconfigured     a setting or a file beside the server is wrong
    └── HookFailed        a hook of the program around the server raised something of its own

A message says what was wrong, with which value, and what to do. It never holds a token or the
content of a document.
"""

from __future__ import annotations

from typing import ClassVar


class SyncroomError(Exception):
    """The one family of errors that syncroom raises on purpose."""

    code: ClassVar = "internal"


class Unauthenticated(SyncroomError):
    """There is no token, or it is expired, forged or not readable."""

    code = "unauthenticated"


class Denied(SyncroomError):
    """The token is good and does not grant this."""

    code = "denied"


class Malformed(SyncroomError):
    """These bytes or this text cannot be what they claim to be."""

    code = "malformed"


class LimitExceeded(SyncroomError):
    """Well formed, but more of it than is allowed."""

    code = "limit"


class TooManyParts(LimitExceeded):
    """An update that has to be taken apart elsewhere before it is read."""


class NotFound(SyncroomError):
    """There is no such thing, or none that the asker may know of."""

    code = "not_found"


class Conflict(SyncroomError):
    """There is such a thing already."""

    code = "conflict"


class Disabled(SyncroomError):
    """Whoever owns the room has closed it to everybody."""

    code = "disabled"


class Damaged(SyncroomError):
    """What the store returned is not what was written into it."""

    code = "damaged"


class Unavailable(SyncroomError):
    """Not possible now; trying again later may help."""

    code = "unavailable"


class Misconfigured(SyncroomError):
    """A setting, or a file that the server needs, is wrong."""

    code = "misconfigured"


class HookFailed(SyncroomError):
    """A hook raised something of its own; the log has it, under the incident that is named."""

    code = "internal"
