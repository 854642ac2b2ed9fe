"""
What a token says, in words and as JSON, for people who wonder why it does or doesn't work.

Names and paths come from whoever minted the token: they are shown, never interpreted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from syncroom.auth.participant import participant_of
from syncroom.auth.scopes import ApiScope

if TYPE_CHECKING:
    from pydantic import JsonValue

    from syncroom.auth.token import ParticipantToken

_NAME_FIELDS = ("path", "name", "table", "endpoint")
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


@dataclass(frozen=True, slots=True)
class Signature:
    """Whether a signature holds, and under which secret it was checked."""

    holds: bool | None
    """None where it was not checked."""
    secret: str | None
    """The name of the secret; None where there was none."""

    def __str__(self) -> str:
        if self.secret is None:
            return "not checked: there is no secret here to check it with"
        return f"{'holds' if self.holds else 'DOES NOT HOLD'} with {printable(self.secret)}"


@dataclass(frozen=True, slots=True)
class Report:
    """A token, and what was found out about it."""

    token: ParticipantToken
    signature: Signature
    now: float

    @property
    def is_expired(self) -> bool:
        """Whether the token has ended, leeway left aside."""
        expires_at = self.token.expires_at
        return expires_at is not None and expires_at <= self.now

    def to_json(self) -> dict[str, JsonValue]:
        """Return the report for programs."""
        token, scope = self.token, self.token.get_api_grant()
        return {
            "id": participant_of(token).id,
            "name": token.name,
            "role": token.role,
            "rooms": [*token.rooms],
            "project": token.project_id,
            "key": token.api_key_id,
            "version": token.version,
            "not_before": token.not_before,
            "expires_at": token.expires_at,
            "expired": self.is_expired,
            "signature": {"holds": self.signature.holds, "secret": self.signature.secret},
            "api": None if scope is None else scope.to_json(),
        }


def printable(text: str) -> str:
    """Return text without what would steer a terminal."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def tables_of(report: Report) -> list[Table]:
    """Return the report for people."""
    return [_holder(report), _apis(report.token.get_api_grant())]


def _holder(report: Report) -> Table:
    token = report.token
    table = Table(show_header=False)
    rows = {
        "name": token.name,
        "role": token.role,
        "participant id": participant_of(token).id,
        "rooms": ", ".join(token.rooms) or "none: it lets nobody in anywhere",
        "project": token.project_id,
        "API key": token.api_key_id,
        "version": token.version,
        "valid from": _moment(token.not_before, report.now),
        "valid until": _moment(token.expires_at, report.now) or "for ever",
        "signature": str(report.signature),
    }
    for label, text in rows.items():
        if text is not None:
            table.add_row(label, Text(printable(text)))
    return table


def _apis(scope: ApiScope | None) -> Table:
    table = Table("API", "may be used")
    if scope is None:
        table.add_row("all", "no: there is no api grant, so it may join a room and do nothing else")
        return table
    granted = scope.to_json()
    for api in ApiScope.model_fields:
        limits = _limits(granted[api]) if api in granted else "no"
        table.add_row(api, Text(printable(limits)))
    return table


def _limits(grant: JsonValue) -> str:
    """Say in words how a grant differs from the whole of its API."""
    if not isinstance(grant, dict) or not grant:
        return "yes"
    return f"yes, but {_details(grant)}"


def _details(fields: dict[str, JsonValue]) -> str:
    return "; ".join(_detail(name.replace("_", " "), value) for name, value in fields.items())


def _detail(name: str, value: JsonValue) -> str:
    if isinstance(value, bool):
        return name if value else f"not {name}"
    if isinstance(value, dict):
        return f"{name} ({_details(value)})"
    if isinstance(value, list):
        return f"{name}: {', '.join(map(_entry, value)) or 'none'}"
    return f"{name}: {value}"


def _entry(value: JsonValue) -> str:
    """Write one entry of a list: its name, and what is said about it."""
    if not isinstance(value, dict):
        return str(value)
    rest = dict(value)
    name = next((str(rest.pop(field)) for field in _NAME_FIELDS if field in rest), "")
    return f"{name} ({_details(rest)})" if rest else name


def _moment(seconds: float | None, now: float) -> str | None:
    if seconds is None:
        return None
    when = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    distance = _distance(abs(seconds - now))
    return f"{when} ({distance} ago)" if seconds <= now else f"{when} (in {distance})"


def _distance(seconds: float) -> str:
    """Say how long a time is, in its two largest units."""
    rest = int(seconds)
    parts: list[str] = []
    for length, unit in _UNITS:
        count, rest = divmod(rest, length)
        if count or parts:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
