"""Images that a room builds, in a real engine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from syncroom.apis.builds import Builds
from syncroom.apis.containers import Containers
from syncroom.backends import Backends
from syncroom.engine import Engine
from syncroom.hooks import Hooks
from syncroom.limits import Limits
from syncroom.protocol.meshagent import CLOSE, binary_content
from syncroom.server.service import running
from tests.apis.contained import LIMITS, Listener, Scene, packed
from tests.document.fakes import turn
from tests.support.podman import IMAGE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.apis.fakes import Asked
    from tests.support.podman import Podman

SECRET = "the secret of a server whose rooms have images: 0123456789"
WORDS = f"FROM {IMAGE}\nCOPY words /words\nRUN cat /words > /more\nCMD cat /more\n"
SLOW = f"FROM {IMAGE}\nRUN sleep 20\n"
"""Podman lets a step of a build that is cancelled go on to its end: so it has one."""


def begin(scene: Scene, dockerfile: str, caller: Listener | None = None, **request: Any) -> Asked:
    """Ask for a build from two files, without the end of what is sent."""
    asked = scene.stream("build", caller, **{"tags": ["tools/words:2"], **request})
    data = packed(Dockerfile=dockerfile, words="some words\n")
    asked.call.take(binary_content({"kind": "data"}, data))
    return asked


async def build(scene: Scene, dockerfile: str = WORDS, **request: Any) -> Any:
    asked = begin(scene, dockerfile, **request)
    asked.call.take(CLOSE)
    await asked.over.wait()
    return asked.answer.get("json", asked.answer)


def names(images: Any) -> set[str]:
    """What the images of a list are called."""
    return {each["preferred_ref"] for each in images["images"]}


async def ended(scene: Scene, build_id: str) -> tuple[bytes, Any]:
    """What a build printed up to its end, and its exit code."""
    reader = Listener("reader")
    log = scene.stream("get_build_logs", reader, build_id=build_id, follow=True)
    await log.over.wait()
    return reader.said(1), json.loads(reader.said(3))["status"]


async def test_an_image_is_built_run_listed_and_deleted_and_no_other_room_has_it(
    scene: Scene,
) -> None:
    build_id = (await build(scene))["build_id"]
    log, code = await ended(scene, build_id)
    said = await scene.printed("cat /more", image="tools/words:2")
    [known] = (await scene.ask("list_builds"))["builds"]
    [listed] = await scene.listed(all=True)
    images = await scene.ask("list_images")
    told = await scene.ask("inspect_image", image_id="tools/words:2")

    assert b"COPY words" in log and code == 0
    assert said == b"some words\n"
    assert (known["tag"], known["status"], known["exit_code"]) == ("tools/words:2", "succeeded", 0)
    assert listed["image"] == "tools/words:2"
    assert names(images) == {"tools/words:2", IMAGE}
    assert told["image"]["references"] == ["tools/words:2"]
    assert "as many as it may have" in (await build(scene))["text"]

    others = Scene(scene.engine)
    assert [each["preferred_ref"] for each in (await others.ask("list_images"))["images"]] == [
        IMAGE
    ]
    for name in ("tools/words:2", told["image"]["id"], scene.images.own("tools/words:2")):
        assert (await others.ask("inspect_image", image_id=name))["code"] == 6001
        assert "container_id" not in await others.ask("run", image=name)

    await scene.ask("delete_container", container_id=listed["id"])
    await scene.ask("delete_image", image="tools/words:2")
    await scene.ask("delete_build", build_id=build_id)
    assert (await scene.ask("list_builds")) == {"builds": []}
    assert (await scene.ask("delete_image", image="tools/words:2"))["code"] == 6001
    assert "for all rooms" in (await scene.ask("delete_image", image=IMAGE))["text"]


async def test_a_build_that_fails_says_why_at_its_end(scene: Scene) -> None:
    lines = "RUN for i in 1 2 3 4 5 6 7 8 9; do echo $i " + "x" * 200 + "; done; nonsense"
    build_id = (await build(scene, f"FROM {IMAGE}\n{lines}\n"))["build_id"]

    await ended(scene, build_id)
    log, code = await ended(scene, build_id)

    assert code == 1
    assert len(log) < 1100
    assert b"9 xxx" in log and b"1 xxx" not in log
    assert b"exit status 127" in log


async def test_one_build_runs_at_a_time_and_can_be_cancelled(scene: Scene) -> None:
    first = (await build(scene, SLOW))["build_id"]

    second = await build(scene)
    await scene.ask("cancel_build", build_id=first)
    [known] = (await scene.ask("list_builds"))["builds"]
    third = await build(scene)

    assert "builds an image at present" in second["text"]
    assert (known["status"], known["exit_code"]) == ("cancelled", 130)
    assert "build_id" in third
    await ended(scene, third["build_id"])


async def test_a_build_whose_caller_leaves_while_it_sends_ends(scene: Scene) -> None:
    asked = begin(scene, WORDS)
    while scene.containers._builds._running is None:
        await turn()
    asked.call.abandon()
    while "build_id" not in (again := await build(scene)):
        assert "at present" in again["text"]

    await ended(scene, again["build_id"])


async def test_what_is_sent_for_a_build_has_a_bound(scene: Scene) -> None:
    refused = await build(scene, WORDS + "#" * 20_000)

    assert "may have 20000 bytes" in refused["text"]
    assert await scene.ask("list_builds") == {"builds": []}


@pytest.mark.parametrize(
    "request_json",
    [
        {"tags": []},
        {"tags": ["host:5000/name"]},
        {"tags": ["../name"]},
        {"tag": "Name", "tags": []},
        {"mount_path": "/a", "context_path": "/a/b"},
        {"mount_path": "/a", "context_path": "/a", "dockerfile_path": "/b/Dockerfile"},
    ],
)
async def test_a_build_that_can_not_be_is_refused(request_json: dict[str, Any]) -> None:
    answer = await build(Scene(Engine("unix:///nowhere")), **request_json)

    assert answer["code"] == 1002


async def test_who_may_not_run_and_pull_any_image_may_not_build() -> None:
    scene = Scene(Engine("unix:///nowhere"))

    for rights in ({"run": ["a*"]}, {"pull": ["a*"]}, {"registry": {"write": ["a*"]}}):
        asked = begin(scene, WORDS, Listener("bob", **rights))
        await asked.over.wait()
        assert asked.answer["code"] == 1001


async def test_without_the_setting_nothing_is_built() -> None:
    scene = Scene(Engine("unix:///nowhere"))
    scene.containers._builds = Builds(scene.images, False, LIMITS)

    answer = await build(scene)

    assert answer["code"] == 1007
    assert "SYNCROOM_BACKENDS__CONTAINER_BUILDS" in answer["text"]


async def test_containers_images_and_builds_of_a_room_go_with_it(
    podman: Podman, tmp_path: Path
) -> None:
    outside = Backends(container_engine=podman.url, container_builds=True)
    async with running(tmp_path, SECRET, Limits(), Hooks(), outside) as service:
        engine = Engine(podman.url)
        scene = Scene(engine)
        containers = service.rooms.room("demo").apis.toolkits["containers"]
        assert isinstance(containers, Containers)
        scene.containers = containers
        service.rooms.catalogue.note("demo")
        await ended(scene, (await build(scene))["build_id"])
        await scene.run("sleep 1000", image="tools/words:2")
        slow = (await build(scene, SLOW))["build_id"]

        await service.rooms.delete("demo")
        _, code = await ended(scene, slow)

        assert code == 130
        assert await engine.ask("GET", "/containers/json", params={"all": "true"}) == []
        left = await engine.ask("GET", "/images/json")
        assert [each["RepoTags"] for each in left] == [[IMAGE]]
        await engine.close()
