"""Containers of a room, in a real engine."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any, cast

import pytest

from syncroom.auth.scopes import ApiScope, ContainersGrant
from syncroom.engine import Engine
from syncroom.protocol.meshagent import CLOSE, binary_content
from tests.apis.contained import Listener, Scene
from tests.apis.fakes import FakeCaller, reserved, shown
from tests.support.podman import IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncroom.document.maps import MapDocument


class Watched:
    """A document that shows a live map, for whoever waits until it shows something."""

    def __init__(self) -> None:
        self.shown: dict[str, Any] = {}
        self._news = asyncio.Event()

    def open_map(self, root: str) -> None:
        assert root == "containers"

    def set(self, key: str, value: dict[str, object]) -> None:
        self.shown[key] = value
        self._news.set()

    def remove(self, key: str) -> None:
        del self.shown[key]
        self._news.set()

    async def until(self, holds: Callable[[dict[str, Any]], bool]) -> None:
        while not holds(self.shown):
            self._news.clear()
            await self._news.wait()


class Said(logging.Handler):
    """What a logger says first."""

    def __init__(self) -> None:
        super().__init__()
        self.news = asyncio.Event()
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()
        self.news.set()


async def test_a_container_runs_prints_and_ends_with_its_code(scene: Scene) -> None:
    made = await scene.run('sh -c "echo out; echo err >&2; exit 3"', name="once")

    ended = await scene.ask("wait_for_exit", container_id=made)
    logs = scene.stream("logs", container_id=made, follow=False)
    await logs.over.wait()

    assert ended["exit_code"] == 3
    assert ended["oom_killed"] is False
    assert sorted(scene.ann.said(1).splitlines()) == [b"err", b"out"]
    assert await scene.listed() == []
    [shown] = await scene.listed(all=True)
    assert shown["id"] == made
    assert (shown["name"], shown["state"], shown["private"]) == ("once", "EXITED", False)
    assert shown["started_by"] == {"id": "participant-ann", "name": "ann"}


async def test_a_log_is_followed_until_its_container_ends_or_its_reader_does(scene: Scene) -> None:
    made = await scene.run('sh -c "echo first; sleep 1000"')
    logs = scene.stream("logs", container_id=made, follow=True)
    await scene.ann.until(1, b"first\n")

    logs.call.take(CLOSE)
    await logs.over.wait()
    again = scene.stream("logs", container_id=made, follow=True)
    await scene.ask("stop_container", container_id=made, force=True)
    await again.over.wait()

    assert [each["state"] for each in await scene.listed(all=True)] == ["EXITED"]


async def test_a_command_in_a_container_is_talked_with(scene: Scene) -> None:
    made = await scene.run("sleep 1000")

    command = ["sh", "-c", "cat; echo done >&2; exit 5"]
    talk = scene.stream("exec", container_id=made, command=command)
    talk.call.take(binary_content({"kind": "input", "channel": 1}, b"hello\n"))
    await scene.ann.until(1, b"hello\n")
    talk.call.take(binary_content({"kind": "input", "channel": 255}))
    await talk.over.wait()

    assert scene.ann.said(2) == b"done\n"
    assert json.loads(scene.ann.said(3)) == {"status": 5}


async def test_a_terminal_has_the_size_that_it_is_given(scene: Scene) -> None:
    made = await scene.run("sleep 1000")
    talk = scene.stream("exec", container_id=made, command="sh", tty=True)
    talk.call.take(binary_content({"kind": "input", "channel": 1}, b"echo re''ady\n"))
    await scene.ann.until(1, b"ready")

    talk.call.take(binary_content({"channel": 4, "width": 123, "height": 45}))
    talk.call.take(binary_content({"channel": 1}, b"stty size; exit\n"))
    await talk.over.wait()

    assert b"45 123" in scene.ann.said(1)
    assert json.loads(scene.ann.said(3)) == {"status": 0}


async def test_a_command_can_be_given_up(scene: Scene) -> None:
    made = await scene.run("sleep 1000")
    talk = scene.stream("exec", container_id=made, command="cat")
    talk.call.take(binary_content({"channel": 1}, b"x\n"))
    await scene.ann.until(1, b"x\n")

    talk.call.take(binary_content({"channel": 5}))
    await talk.over.wait()

    assert json.loads(scene.ann.said(3)) == {"status": 137}


async def test_a_room_sees_its_own_containers_alone(scene: Scene) -> None:
    made = await scene.run("sleep 1000")
    scene.containers = scene.of("elsewhere")

    assert await scene.listed(all=True) == []
    for tool in ("stop_container", "delete_container", "wait_for_exit"):
        assert (await scene.ask(tool, container_id=made))["code"] == 6001
    for tool in ("exec", "logs"):
        await scene.stream(tool, container_id=made).over.wait()
        assert scene.ann.sent[-2].header["chunk"]["code"] == 6001


async def test_a_private_container_talks_to_who_started_it(scene: Scene) -> None:
    made = await scene.run("sleep 1000", private=True)
    bob = Listener("bob")

    for tool in ("exec", "logs"):
        await scene.stream(tool, bob, container_id=made).over.wait()
        assert bob.sent[-2].header["chunk"]["code"] == 1001
    assert [each["private"] for each in await scene.listed()] == [True]


async def test_a_room_has_so_many_containers_each_with_a_name_of_its_own(scene: Scene) -> None:
    made = await scene.run("sleep 1000", name="one")

    same = await scene.ask("run", image=IMAGE, command="sleep 1000", name="one")
    await scene.run("sleep 1000", name="two")
    more = await scene.ask("run", image=IMAGE, command="sleep 1000")
    await scene.ask("delete_container", container_id=made)
    again = await scene.ask("run", image=IMAGE, command="sleep 1000", name="one")

    assert (same["code"], more["code"]) == (1004, 1002)
    assert "container_id" in again


async def test_a_container_has_the_environment_that_it_is_given(scene: Scene) -> None:
    env = [{"key": "A", "value": "b=c"}]

    said = await scene.printed("env", env=env, template="agent", participant_name="x")

    assert {b"A=b=c", b"JOINS_AS=x"} <= set(said.splitlines())


async def test_a_container_has_files_copies_of_the_rooms_and_empty_folders(scene: Scene) -> None:
    await scene.put("plans/a.txt", b"plan a\n")
    await scene.put("plans/old/b.txt", b"plan b\n")
    await scene.put("other.txt", b"x" * 1000)
    mounts = {
        "files": [{"path": "/etc/app/conf", "text": "given: \u00e4\n"}],
        "room": [{"path": "/data/", "subpath": "plans", "read_only": True}],
        "empty_dirs": [{"path": "/cache"}],
        "configs": None,
    }
    script = "cat /etc/app/conf /data/a.txt /data/old/b.txt; echo > /cache/x; echo /cache/*"

    said = await scene.printed(f"sh -c '{script}'", mounts=mounts)

    assert said.decode() == "given: \u00e4\nplan a\nplan b\n/cache/x\n"


async def test_files_are_copied_for_who_may_read_them_as_far_as_they_are_few(scene: Scene) -> None:
    await scene.put("a.txt", b"a" * 500)
    await scene.put("hidden/b.txt", b"b" * 501)
    mounts = {"room": [{"path": "/data", "read_only": True}]}
    stranger = FakeCaller("bob", ApiScope(containers=ContainersGrant()))

    said = await scene.printed("sh -c 'cd /data; echo *'", mounts=mounts)
    refused = await scene.ask("run", stranger, image=IMAGE, mounts=mounts)
    much = await scene.ask("run", FakeCaller("cid"), image=IMAGE, mounts=mounts)

    assert said == b"a.txt\n"
    assert refused["code"] == 1001
    assert "1001 bytes, 1000 are allowed" in much["text"]


async def test_ports_are_told_as_the_callers_sdk_knows_them(scene: Scene) -> None:
    await scene.run("sleep 1000", ports=[{"container_port": 80, "host_port": 80}])
    old = Listener("old")
    old.is_early = True

    [port] = (await scene.listed())[0]["ports"]
    [shown] = (await scene.ask("list_containers", old))["containers"]

    assert port == {"container_port": 80, "host_port": shown["ports"][0]}


async def test_who_watches_sees_containers_come_run_end_and_go(scene: Scene) -> None:
    made = await scene.run("sleep 1000", name="one", private=True)
    watched = Watched()
    scene.containers.map.watch(cast("MapDocument", watched))

    await watched.until(lambda shown: made in shown)
    entry = watched.shown[made]
    await scene.ask("stop_container", container_id=made, force=True)
    await watched.until(lambda shown: shown[made]["state"] == "EXITED")
    await scene.ask("delete_container", container_id=made)
    await watched.until(lambda shown: not shown)
    scene.containers.map.unwatch()

    assert entry == {
        "name": "one",
        "image": IMAGE,
        "state": "RUNNING",
        "private": True,
        "started_by": {"id": "participant-ann", "name": "ann"},
    }


async def test_an_engine_that_is_away_is_said_to_be_where_somebody_watches() -> None:
    scene, said = Scene(Engine("unix:///nowhere")), Said()
    logging.getLogger("syncroom.apis.containers").addHandler(said)
    document = reserved(".room/containers")

    scene.containers.map.watch(document)
    await said.news.wait()
    scene.containers.map.unwatch()

    assert "can't be reached" in said.text
    assert shown(document, "containers") == {}


async def test_images_are_listed_and_told_of(scene: Scene) -> None:
    stranger = Listener("bob", run=["other"], pull=[])

    [image] = (await scene.ask("list_images"))["images"]
    told = await scene.ask("inspect_image", image_id=IMAGE)

    assert image["preferred_ref"] == IMAGE
    assert told["image"]["id"] == image["id"]
    assert len(told["layers"]) == 1
    assert (await scene.ask("list_images", stranger))["images"] == []
    assert (await scene.ask("inspect_image", stranger, image_id=IMAGE))["code"] == 1001


async def test_an_image_that_is_not_here_is_pulled_by_who_may(scene: Scene) -> None:
    missing = "localhost:1/missing:latest"
    stranger = Listener("bob", pull=[])
    credentials = [{"registry": None, "username": "a", "password": "b"}]

    refused = await scene.ask("run", stranger, image=missing)
    tried = await scene.ask("run", image=missing, credentials=credentials)

    assert refused["code"] == 1001
    assert tried["code"] == 1008
    assert "can't be pulled" in tried["text"]


@pytest.mark.parametrize(
    ("rights", "tool", "request_json"),
    [
        ({"use_containers": False}, "list_containers", {}),
        ({"run": ["allowed*"]}, "run", {"image": IMAGE}),
        ({"pull": ["allowed*"]}, "pull_image", {"tag": IMAGE}),
    ],
)
async def test_what_is_not_granted_is_refused(
    rights: dict[str, Any], tool: str, request_json: dict[str, Any]
) -> None:
    scene = Scene(Engine("unix:///nowhere"))

    assert (await scene.ask(tool, Listener("ann", **rights), **request_json))["code"] == 1001


@pytest.mark.parametrize(
    "request_json",
    [
        {"mount_path": "/data"},
        {"mounts": {"room": [{"path": "/data"}]}},
        {"mounts": {"room": [{"path": "/data", "subpath": "../x", "read_only": True}]}},
        {"mounts": {"volumes": [{"name": "disk", "path": "/data"}]}},
        {"mounts": {"files": [{"path": "/a/../../b", "text": ""}]}},
        {"mounts": {"empty_dirs": [{"path": "/"}]}},
        {"mounts": {"empty_dirs": [{"path": "/a"}], "files": [{"path": "/a/b", "text": ""}]}},
        {"command": "sh 'open"},
        {"ports": [{"container_port": 70000}]},
        {"env": [{"key": "a=b", "value": "c"}]},
        {"image": "../../version"},
    ],
)
async def test_a_container_that_can_not_be_is_refused(request_json: dict[str, Any]) -> None:
    scene = Scene(Engine("unix:///nowhere"))

    answer = await scene.ask("run", **{"image": IMAGE, **request_json})

    assert answer["code"] == 1002


async def test_without_an_engine_lists_are_empty_and_the_rest_says_what_to_configure() -> None:
    scene = Scene(Engine(None))

    for tool, name in (("list_containers", "containers"), ("list_images", "images")):
        assert await scene.ask(tool) == {name: []}
    requests: dict[str, dict[str, Any]] = {
        "run": {"image": IMAGE},
        "pull_image": {"tag": IMAGE},
        "inspect_image": {"image_id": IMAGE},
        "delete_image": {"image": IMAGE},
        "cancel_build": {"build_id": "b"},
        "delete_build": {"build_id": "b"},
        "stop_container": {"container_id": "c"},
        "delete_container": {"container_id": "c"},
        "wait_for_exit": {"container_id": "c"},
    }
    for tool, request in requests.items():
        answer = await scene.ask(tool, **request)

        assert answer["code"] == 1007, tool
        assert "SYNCROOM_BACKENDS__CONTAINER_ENGINE" in answer["text"]
    await scene.mine.remove_all()


async def test_an_engine_that_is_away_is_said_to_be() -> None:
    answer = await Scene(Engine("unix:///nowhere")).ask("list_containers")

    assert answer["code"] == 1008
    assert "can't be reached" in answer["text"]


async def test_what_this_server_has_not_says_why() -> None:
    scene = Scene(Engine(None))

    for tool in ("push_image", "load", "load_image", "save_image", "run_service"):
        assert (await scene.ask(tool))["code"] == 1007
