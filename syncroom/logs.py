"""
Log lines: an event in words, and what it is about as fields, as text for people or as JSON.

What looks like a token is blotted out of every line, also out of the lines of libraries and of what
clients put where no token belongs. A line is one line, whatever a client calls itself.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
from datetime import UTC, datetime
from typing import Literal

LogFormat = Literal["console", "json"]

_TOKEN = re.compile(r"eyJ[\w-]{8,}(?:\.[\w-]*)*", re.ASCII)
"""A JWT begins with the base64 of ``{"``, and so does nothing else that is logged."""

_PLAIN = re.compile(r"[\w.:/@*+-]+").fullmatch


def about(**fields: object) -> dict[str, object]:
    """What a line is about: ``log.info("joined", extra=about(room="demo", path="notes"))``."""
    return {"about": fields}


def log_incident(log: logging.Logger, what: str, error: BaseException, **fields: object) -> str:
    """Log a fault in full, and return the id under which it stands there: that is for anybody."""
    incident = secrets.token_hex(4)
    log.error("incident %s: %s", incident, what, exc_info=error, extra=about(**fields))
    return incident


def without_tokens(text: str) -> str:
    """A text in which what looks like a token is blotted out."""
    return _TOKEN.sub("<token>", text)


def log_to_stderr(level: str, form: LogFormat) -> None:
    """Send every log line of the process to the standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if form == "json" else ConsoleFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler])
    for name in ("httpx", "httpcore"):  # each request has lines of theirs, with URLs and headers
        logging.getLogger(name).setLevel(logging.WARNING)


class _Formatter(logging.Formatter):
    """What both forms have in common."""

    def message(self, record: logging.LogRecord) -> str:
        return record.getMessage()

    def fields(self, record: logging.LogRecord) -> dict[str, object]:
        fields: dict[str, object] = getattr(record, "about", {})
        return fields

    def trace(self, record: logging.LogRecord) -> str | None:
        return self.formatException(record.exc_info) if record.exc_info else None


class ConsoleFormatter(_Formatter):
    """``2026-01-31 12:00:00.000 INFO    syncroom.sessions: joined room=demo path=notes``"""

    def format(self, record: logging.LogRecord) -> str:
        """One line; the trace of an error follows on lines of its own."""
        time = datetime.fromtimestamp(record.created).isoformat(" ", "milliseconds")
        fields = "".join(f" {key}={_value(each)}" for key, each in self.fields(record).items())
        message = self.message(record).translate(_ESCAPES)
        line = f"{time} {record.levelname:<7} {record.name}: {message}{fields}"
        trace = self.trace(record)
        return without_tokens(line if trace is None else f"{line}\n{trace}")


class JsonFormatter(_Formatter):
    """One JSON object for each line: time, level, logger, message, and the fields."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self.message(record),
            **self.fields(record),
        }
        trace = self.trace(record)
        if trace is not None:
            line["trace"] = trace
        return without_tokens(json.dumps(line, default=str))


_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160), 0x2028, 0x2029)}


def _value(value: object) -> str:
    text = str(value)
    return text if _PLAIN(text) else json.dumps(text)
