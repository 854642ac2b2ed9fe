"""What the toolkit of containers is asked, and the right that each request takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from syncroom.apis.base import Model, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncroom.apis.base import Permits
    from syncroom.auth.participant import Participant
    from syncroom.auth.scopes import ContainersGrant

_Image = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^\w+(?:(?:[./:@]|-+)\w+)*$")]
_Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]{0,127}$")]


class Pair(Model):
    """A variable of the environment."""

    key: str = Field(pattern=r"^[^=\x00]+$")
    value: str


class Credentials(Model):
    """Who pulls, at one registry or at all."""

    registry: str | None = None
    username: str
    password: str


class Port(Model):
    """A port that tunnels may lead to; where it is published on the host is the engine's choice."""

    container_port: int = Field(gt=0, le=65535)


class ListContainers(Request):
    """Those that run, or all."""

    all: bool | None = None


class Container(Request):
    """One container."""

    container_id: _Id


class Stop(Container):
    """One to end."""

    force: bool = False


class Pull(Request):
    """An image to bring."""

    tag: _Image
    credentials: list[Credentials] | None = None


class InspectImage(Request):
    """An image to tell of."""

    image_id: _Image


class Run(Request):
    """A container to start."""

    image: _Image
    command: str | None = None
    working_dir: str | None = None
    env: list[Pair] | None = Field(default=None, max_length=1000)
    ports: list[Port] | None = Field(default=None, max_length=64)
    credentials: list[Credentials] | None = None
    name: str | None = Field(default=None, max_length=256)
    participant_name: str | None = Field(default=None, max_length=256)
    template: Literal["agent", "none"] | None = None
    mounts: dict[str, Any] | None = None
    mount_path: str | None = None
    writable_root_fs: bool | None = None
    private: bool | None = None


class Exec(Container):
    """A command to run in a container."""

    kind: Literal["start"]
    command: str | list[str] | None = None
    tty: bool | None = None


class Logs(Container):
    """What a container printed."""

    kind: Literal["start"]
    follow: bool = False


def _has(right: Callable[[ContainersGrant, Any], bool]) -> Permits:
    def permits(participant: Participant, request: Request) -> bool:
        grant = participant.scope.containers if participant.scope is not None else None
        return grant is not None and grant.use_containers and right(grant, request)

    return permits


may_use = _has(lambda grant, _: True)
may_log = _has(lambda grant, _: grant.logs)
may_pull = _has(lambda grant, it: grant.can_pull(it.tag))
may_run = _has(lambda grant, it: grant.can_run(it.image))
may_know = _has(lambda grant, it: grant.can_run(it.image_id) or grant.can_pull(it.image_id))
