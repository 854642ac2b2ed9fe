"""
What can be set, and where it is read from: flags of the command line, then ``SYNCROOM_*``
variables, then a TOML file, then the defaults here.
"""

from __future__ import annotations

import os
import re
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from syncroom.backends import Backends
from syncroom.errors import Misconfigured
from syncroom.limits import Limits
from syncroom.logs import LogFormat

if TYPE_CHECKING:
    from collections.abc import Collection

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

LogLevel = Literal["debug", "info", "warning", "error"]

_PREFIX = "SYNCROOM_"

OF_COMMANDS = ("API_KEY", "CONFIG", "ROOM", "TOKEN", "URL")
"""What follows the prefix in variables that are no settings but options of commands."""

_OF_KUBERNETES = re.compile("(SERVICE_(HOST|PORT)|PORT_[0-9]+_(TCP|UDP|SCTP))(_[A-Z0-9_]+)?$")
"""It tells every container where services are; one of them may be called syncroom."""


class Settings(BaseSettings):
    """The settings of one server."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int = Field(default=8420, ge=0, le=65535)
    """The port to listen on; 0 takes a free one."""
    data_dir: Path = Path("syncroom-data")
    """The folder that everything is kept in; made if it is not there."""
    log_level: LogLevel = "info"
    """What is worth a line in the log."""
    log_format: LogFormat = "console"
    """Lines for people, or JSON."""
    forwarded_allow_ips: str = "127.0.0.1,::1"
    """Proxies whose ``X-Forwarded-For`` counts: addresses and networks, separated by commas."""
    public_url: str | None = None
    """Where clients reach the server, http or https; without it, where they sent their request."""
    secret: SecretStr | None = None
    """The secret that tokens are signed with (HS256). Without it one is made and kept."""
    backends: Backends = Backends()
    """What the APIs of rooms use outside; ``SYNCROOM_BACKENDS__WEBHOOK_SECRET=...`` sets one."""
    limits: Limits = Limits()
    """Bounds; ``SYNCROOM_LIMITS__REFUSAL_S=1`` sets one."""

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, url: str | None) -> str | None:
        if url is not None and not (
            url.startswith(("http://", "https://")) and urlsplit(url).netloc
        ):
            raise ValueError("it must be an http or https URL")
        return url


_TABLES: dict[str, type[BaseModel]] = {"limits": Limits, "backends": Backends}


class _Variables(EnvSettingsSource):
    """The variables; what nothing reads is refused, for what it was meant to set is not set."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)
        unknown = [name for name in _given() if not _is_read(name)]
        if unknown:
            raise Misconfigured("; ".join(map(_explain_variable, unknown)))

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: str) -> object:
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError as error:
            name = next(name for name in _given() if name.endswith(field_name.upper()))
            given = "" if field_name == "backends" else f", not {value[:80]!r}"
            raise Misconfigured(f"{name}: it must be JSON{given}") from error


def load_settings(config: Path | None = None, **flags: object) -> Settings:
    """Read the settings; raises `Misconfigured`.

    Args:
        config: a TOML file with settings by name, limits in a table ``[limits]``.
        flags: settings that were given on the command line; None counts as not given.
    """
    if config is not None and not config.is_file():
        raise Misconfigured(f"the settings file {str(config)!r} is not there")

    class FileSettings(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            file = TomlConfigSettingsSource(settings_cls, config)
            return init_settings, _Variables(settings_cls), file

    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return FileSettings(**given)  # type: ignore[arg-type]  # pydantic checks the values
    except ValidationError as error:
        wrong = [f"{_source(it, given, config)}: {_explain(it)}" for it in error.errors()]
        raise Misconfigured("; ".join(wrong)) from None
    except ValueError as error:
        raise Misconfigured(f"the settings file {str(config)!r} can't be read: {error}") from None


def _given() -> list[str]:
    """The variables that are ours by name."""
    return sorted(name.upper() for name in os.environ if name.upper().startswith(_PREFIX))


def _is_read(variable: str) -> bool:
    """Whether a variable is a setting or of a command, or not meant for us."""
    name, _, nested = variable.removeprefix(_PREFIX).lower().partition("__")
    return (
        name in (_TABLES if nested else Settings.model_fields)
        or variable.removeprefix(_PREFIX) in OF_COMMANDS
        or _OF_KUBERNETES.search(variable) is not None
        or os.environ.get(variable, "").startswith(("tcp://", "udp://"))  # Kubernetes as well
    )


def _explain_variable(variable: str) -> str:
    """What is wrong with a variable that nothing reads."""
    nested = [f"{table}__{name}" for table, model in _TABLES.items() for name in model.model_fields]
    names = [name.upper() for name in (*Settings.model_fields, *nested, *OF_COMMANDS)]
    meant = variable.removeprefix(_PREFIX)
    close = [it for it in names if it.endswith(f"__{meant}")] or get_close_matches(meant, names, 1)
    said = "".join(f"; there is {_PREFIX + it!r}" for it in close)
    return f"nothing reads the variable {variable!r}{said}"


def _source(error: ErrorDetails, flags: Collection[str], config: Path | None) -> str:
    """Where a setting was set."""
    place = [str(each) for each in error["loc"]]
    if place[0] in flags:
        return f"--{place[0].replace('_', '-')}"
    variable = _PREFIX + "__".join(place).upper()
    for given in sorted(_given(), key=len, reverse=True):
        if f"{variable}__".startswith(f"{given}__") or given.startswith(f"{variable}__"):
            return given
    return str(config)


def _explain(error: ErrorDetails) -> str:
    """What is wrong with a setting."""
    place = [str(each) for each in error["loc"]]
    name = ".".join(place)
    is_nested = place[0] in _TABLES and len(place) > 1
    fields = (_TABLES[place[0]] if is_nested else Settings).model_fields
    if error["type"] == "extra_forbidden":
        close = get_close_matches(place[-1], fields, 1)
        return f"there is no setting {name!r}" + "".join(f"; there is {it!r}" for it in close)
    reason = error["msg"].removeprefix("Value error, ").partition(" or instance of ")[0]
    is_secret = name == "backends" or SecretStr in get_args(fields[place[is_nested]].annotation)
    given = "" if is_secret else f", not {str(error['input'])[:80]!r}"
    return f"the setting {name!r} is wrong: {reason[:1].lower()}{reason[1:]}{given}"
