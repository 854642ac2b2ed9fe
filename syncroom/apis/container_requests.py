"""What the toolkit of containers is asked, and the right that each request takes."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from syncroom.apis.base import Model, Request
from syncroom.apis.room_images import is_own_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncroom.apis.base import Permits
    from syncroom.auth.participant import Participant
    from syncroom.auth.scopes import ContainersGrant

_Image = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^\w+(?:(?:[./:@]|-+)\w+)*$")]
_Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]{0,127}$")]


def _check_place(path: str) -> str:
    if not path.startswith("/") or "\0" in path or ".." in path.split("/"):
        raise ValueError("a path in a container begins with / and has no ..")
    if (place := posixpath.normpath(path).lstrip("/")) == "":
        raise ValueError("nothing is mounted over the root of a container")
    return f"/{place}"


_Place = Annotated[str, Field(max_length=1024), AfterValidator(_check_place)]

_COPIED = (
    "files of the room are copied into a container before it starts: mount them in mounts.room "
    "with read_only, and write to the room with storage"
)


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


class RoomMount(Model):
    """Files of the room."""

    path: _Place
    subpath: str | None = None
    """The folder of the room; without it, all of them."""
    read_only: bool = Field(default=False, validate_default=True)

    @field_validator("read_only")
    @classmethod
    def _check_read_only(cls, read_only: bool) -> bool:
        if not read_only:
            raise ValueError(_COPIED)
        return read_only


class FileMount(Model):
    """A file with a text."""

    path: _Place
    text: str
    read_only: bool = True


class EmptyFolder(Model):
    """A folder in memory."""

    path: _Place
    read_only: bool = False


class Mounts(Model):
    """What is in a container beside its image."""

    room: list[RoomMount] = Field(default=[], max_length=64)
    files: list[FileMount] = Field(default=[], max_length=1000)
    empty_dirs: list[EmptyFolder] = Field(default=[], max_length=64)
    volumes: tuple[Any, ...] = ()
    images: tuple[Any, ...] = ()
    configs: tuple[Any, ...] = ()

    @field_validator("*", mode="before")
    @classmethod
    def _read_null(cls, value: Any) -> Any:
        return [] if value is None else value

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.volumes or self.images or self.configs:
            raise ValueError("only room, files and empty_dirs can be mounted here")
        for path in [each.path for each in self.room] + [each.path for each in self.files]:
            if any(f"{path}/".startswith(f"{it.path}/") for it in self.empty_dirs):
                raise ValueError(f"{path!r} would lie in a folder that is to be empty")
        return self


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


class DeleteImage(Request):
    """An image to delete."""

    image: _Image


class BuildImage(Request):
    """An image to build from what is sent."""

    kind: Literal["start"]
    tags: list[str] = Field(default=[], max_length=16)
    tag: str | None = None
    """How early SDKs name it."""
    mount_path: str = "/"
    context_path: str = "/"
    dockerfile_path: str | None = None
    credentials: list[Credentials] | None = None

    @property
    def names(self) -> list[str]:
        """What it is to be called."""
        return self.tags or [self.tag or ""]

    @property
    def dockerfile(self) -> str:
        """Where its Dockerfile is among what is sent."""
        path = posixpath.join(self.mount_path, self.dockerfile_path or "Dockerfile")
        return posixpath.relpath(path, self.mount_path)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not all(map(is_own_name, self.names)):
            raise ValueError("an image is called by small letters without a host, as tools/lint:2")
        if posixpath.normpath(self.context_path) != posixpath.normpath(self.mount_path):
            raise ValueError("the context is all that is sent: context_path has to be mount_path")
        if self.dockerfile.startswith("../"):
            raise ValueError("the Dockerfile has to be among what is sent, below mount_path")
        return self


class BuildOf(Request):
    """One build."""

    build_id: str


class BuildLogs(BuildOf):
    """What a build prints."""

    kind: Literal["start"]
    follow: bool = False


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
    mounts: Mounts | None = None
    mount_path: str | None = None
    writable_root_fs: bool | None = None
    private: bool | None = None

    @field_validator("mount_path")
    @classmethod
    def _check_mount_path(cls, path: str | None) -> None:
        if path:
            raise ValueError(_COPIED)


class Exec(Container):
    """A command to run in a container."""

    kind: Literal["start"]
    command: str | list[str] | None = None
    tty: bool | None = None


class Logs(Container):
    """What a container printed."""

    kind: Literal["start"]
    follow: bool = False


def grant_of(participant: Participant) -> ContainersGrant:
    """The grant of somebody who was found to have one."""
    scope = participant.scope
    assert scope is not None and scope.containers is not None
    return scope.containers


def _has(right: Callable[[ContainersGrant, Any], bool]) -> Permits:
    def permits(participant: Participant, request: Request) -> bool:
        grant = grant_of(participant)
        return grant.use_containers and right(grant, request)

    return permits


may_use = _has(lambda grant, _: True)
may_log = _has(lambda grant, _: grant.logs)
may_pull = _has(lambda grant, it: grant.can_pull(it.tag))
may_run = _has(lambda grant, it: grant.can_run(it.image))
may_build = _has(
    lambda grant, it: (
        grant.run is None and grant.pull is None and all(map(grant.can_registry_write, it.names))
    )
)
may_know = _has(lambda grant, it: grant.can_run(it.image_id) or grant.can_pull(it.image_id))
