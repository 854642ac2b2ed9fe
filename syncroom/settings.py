"""
What can be set, and where it is read from: flags of the command line, then ``SYNCROOM_*``
variables, then a TOML file, then the defaults here.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from syncroom.backends import Backends
from syncroom.errors import Misconfigured
from syncroom.limits import Limits
from syncroom.logs import LogFormat

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

LogLevel = Literal["debug", "info", "warning", "error"]


class Settings(BaseSettings):
    """The settings of one server."""

    model_config = SettingsConfigDict(
        env_prefix="SYNCROOM_", env_nested_delimiter="__", extra="forbid", frozen=True
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
            return init_settings, env_settings, file

    try:
        given = {name: value for name, value in flags.items() if value is not None}
        return FileSettings(**given)  # type: ignore[arg-type]  # pydantic checks the values
    except ValidationError as error:
        raise Misconfigured("; ".join(map(_explain, error.errors()))) from None
    except ValueError as error:
        raise Misconfigured(f"the settings file {str(config)!r} can't be read: {error}") from None


def _explain(error: ErrorDetails) -> str:
    place = [str(each) for each in error["loc"]]
    name = ".".join(place)
    if error["type"] == "extra_forbidden":
        tables: dict[str, type[BaseModel]] = {"limits": Limits, "backends": Backends}
        close = get_close_matches(place[-1], tables.get(place[0], Settings).model_fields, 1)
        return f"there is no setting {name!r}" + "".join(f"; there is {it!r}" for it in close)
    reason = error["msg"].removeprefix("Value error, ")
    given = "" if place[0] in ("secret", "backends") else f", not {str(error['input'])[:80]!r}"
    return f"the setting {name!r} is wrong: {reason[:1].lower()}{reason[1:]}{given}"
