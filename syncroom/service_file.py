"""
The YAML file that says which services a server runs.

All of it is checked before anything starts; what is wrong is told with the file, the service and
the field.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from syncroom.auth.paths import check_room_name
from syncroom.auth.scopes import ApiScope
from syncroom.errors import Malformed, Misconfigured

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic_core import ErrorDetails

DEFAULT_NAME = "services.yaml"


def _split(command: object) -> object:
    return shlex.split(command) if isinstance(command, str) else command


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TokenConfig(_Strict):
    """What the token of a service grants."""

    name: str | None = Field(default=None, min_length=1)
    """What it is called in the room; the id, where it is not said."""
    role: str = "agent"
    api: ApiScope = Field(default_factory=ApiScope.agent_default)
    """What agents usually may, where it is not said."""

    @field_validator("api", mode="before")
    @classmethod
    def _check_api(cls, fields: object) -> object:
        unknown = set(fields) - set(ApiScope.model_fields) if isinstance(fields, dict) else ()
        if unknown:
            names = ", ".join(map(repr, sorted(map(str, unknown))))
            raise ValueError(f"there is no API {names}")
        return fields


class ServiceConfig(_Strict):
    """One service: a program that the server keeps running."""

    id: str = Field(pattern="^[a-z0-9][-_.a-z0-9]{0,62}$")
    room: str
    command: Annotated[list[str], BeforeValidator(_split)] = Field(min_length=1)
    name: str | None = None
    description: str | None = None
    working_dir: str | None = None
    env: dict[str, str] = Field(default_factory=dict)
    token: TokenConfig = TokenConfig()
    restart: Literal["always", "on-failure", "never"] = "always"
    enabled: bool = True

    @field_validator("room")
    @classmethod
    def _check_room(cls, name: str) -> str:
        try:
            check_room_name(name)
        except Malformed as error:
            raise ValueError(str(error)) from None
        return name


class _File(_Strict):
    services: list[ServiceConfig]


def load_services(data_dir: Path, file: Path | None) -> list[ServiceConfig]:
    """The services that a server runs; raises `Misconfigured`.

    Args:
        data_dir: the folder whose ``services.yaml`` is read where no file is named.
        file: the file that was named; it has to be there.
    """
    path = file or data_dir / DEFAULT_NAME
    if file is None and not path.exists():
        return []
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        services = _File.model_validate(content).services
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"the file of services {str(path)!r} can't be read: {error}") from None
    except yaml.YAMLError as error:
        raise Misconfigured(f"the file of services {str(path)!r} is no YAML: {error}") from None
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        reasons = "; ".join(_explain(content, each) for each in faults)
        raise Misconfigured(f"the file of services {str(path)!r} is wrong: {reasons}") from None
    seen: set[tuple[str, str]] = set()
    for each in services:
        if (each.room, each.id) in seen:
            raise Misconfigured(
                f"the file of services {str(path)!r} is wrong: "
                f"there are two services {each.id!r} in the room {each.room!r}"
            )
        seen.add((each.room, each.id))
    return services


def _explain(content: object, fault: ErrorDetails) -> str:
    """What is wrong, with the service and the field."""
    where, why = list(fault["loc"]), fault["msg"].partition(" or instance of ")[0]
    if not where:
        return "it must be a mapping that has 'services', which may be an empty list"
    if len(where) >= 2 and where[0] == "services" and isinstance(where[1], int):
        number = where[1]
        service = content["services"][number] if isinstance(content, dict) else None
        id = service.get("id") if isinstance(service, dict) else None
        named = f"service {id!r}" if isinstance(id, str) else f"service number {number + 1}"
        field = ".".join(map(str, where[2:]))
        return f"{named}, {field or 'all of it'}: {why}"
    return f"{'.'.join(map(str, where))}: {why}"
