"""Queues: each message to one receiver, in order, on disk; given back where nobody got it."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from syncroom.apis.queues import Queues
from syncroom.auth.scopes import ApiScope, QueuesGrant
from syncroom.errors import Unavailable
from syncroom.limits import Limits
from syncroom.store.memory import MemoryStore
from tests.apis.fakes import Asked, FakeCaller, ask, reserved, shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from syncroom.store.base import Item


class Scene:
    """The queues of a room, which can be thrown away and read again."""

    def __init__(self, **limits: int) -> None:
        self.store = MemoryStore()
        self.limits = Limits.model_validate(limits)
        self.ann, self.bob = FakeCaller("ann"), FakeCaller("bob")
        self.failure: str | None = None
        self.may_keep = asyncio.Event()
        self.may_keep.set()

    async def open(self) -> None:
        await self.store.open()
        self.again()

    def again(self) -> None:
        """As after a restart."""
        self.queues = Queues(partial(self.store.items, "demo", "queues"), self._keep, self.limits)

    async def ask(self, verb: str, caller: FakeCaller | None = None, /, **request: Any) -> Any:
        """What a tool answers: its JSON or its text, or None."""
        asked = ask(self.queues, verb, caller or self.ann, request)
        await asked.over.wait()
        answer = asked.answer
        return answer.get("code", answer.get("json", answer.get("text")))

    def receive(self, caller: FakeCaller, **request: Any) -> Asked:
        """Begin to receive."""
        return ask(self.queues, "receive", caller, {"name": "jobs", **request})

    async def sizes(self) -> dict[str, int]:
        answer = await self.ask("list")
        return {each["name"]: each["size"] for each in answer["queues"]}

    async def _keep(self, put: Sequence[Item], drop: Sequence[tuple[str, int]]) -> None:
        await self.may_keep.wait()
        if self.failure is not None:
            raise Unavailable(self.failure)
        await self.store.change_items("demo", "queues", put, drop)


@pytest_asyncio.fixture
async def scene() -> AsyncIterator[Scene]:
    opened = Scene()
    await opened.open()
    yield opened


async def test_messages_come_in_the_order_they_were_sent(scene: Scene) -> None:
    for number in range(3):
        await scene.ask("send", name="jobs", message={"number": number})
    assert await scene.sizes() == {"jobs": 3}

    got = [await scene.ask("receive", scene.bob, name="jobs", wait=False) for _ in range(4)]

    assert got == [{"number": 0}, {"number": 1}, {"number": 2}, None]
    assert await scene.sizes() == {"jobs": 0}


async def test_a_message_may_be_text(scene: Scene) -> None:
    await scene.ask("send", name="jobs", message="do it")

    assert await scene.ask("receive", name="jobs") == "do it"


async def test_what_was_sent_is_there_after_a_restart_and_what_was_received_is_not(
    scene: Scene,
) -> None:
    for number in range(3):
        await scene.ask("send", name="jobs", message={"number": number})
    await scene.ask("receive", name="jobs")
    await scene.ask("open", name="empty")

    scene.again()

    assert await scene.sizes() == {"empty": 0, "jobs": 2}
    await scene.ask("send", name="jobs", message={"number": 3})
    got = [await scene.ask("receive", name="jobs", wait=False) for _ in range(4)]
    assert got == [{"number": 1}, {"number": 2}, {"number": 3}, None]


async def test_those_who_wait_are_served_in_the_order_of_asking(scene: Scene) -> None:
    first, second = scene.receive(scene.ann), scene.receive(scene.bob)
    await scene.ask("send", scene.ann, name="jobs", message={"number": 1}, create=False)
    await first.over.wait()
    assert second.answers == []

    await scene.ask("send", scene.ann, name="jobs", message={"number": 2})
    await second.over.wait()

    assert first.answer["json"] == {"number": 1}
    assert second.answer["json"] == {"number": 2}


async def test_who_left_while_it_waited_takes_nothing(scene: Scene) -> None:
    gone = scene.receive(scene.ann)
    stays = scene.receive(scene.bob)
    await scene.ask("list")
    gone.call.abandon()
    await scene.ask("list")

    await scene.ask("send", name="jobs", message={"number": 1})
    await stays.over.wait()

    assert gone.answers == []
    assert stays.answer["json"] == {"number": 1}


async def test_who_left_before_the_answer_gives_the_message_back_to_the_front(
    scene: Scene,
) -> None:
    for number in (1, 2):
        await scene.ask("send", name="jobs", message={"number": number})
    scene.may_keep.clear()
    gone = scene.receive(scene.ann)
    while await scene.sizes() != {"jobs": 1}:
        pass
    gone.call.abandon()
    while await scene.sizes() != {"jobs": 2}:
        pass
    scene.may_keep.set()

    assert await scene.ask("receive", name="jobs", wait=False) == {"number": 1}
    scene.again()
    assert await scene.ask("receive", name="jobs", wait=False) == {"number": 2}
    assert await scene.ask("receive", name="jobs", wait=False) is None


async def test_a_message_that_cannot_be_stored_is_refused_and_one_that_cannot_be_taken_stays(
    scene: Scene,
) -> None:
    await scene.ask("send", name="jobs", message={"number": 1})
    scene.failure = "the disk is full"

    assert await scene.ask("send", name="jobs", message={"number": 2}) == 1008
    assert await scene.ask("receive", name="jobs") == 1008
    scene.failure = None

    assert await scene.sizes() == {"jobs": 1}
    assert await scene.ask("receive", name="jobs") == {"number": 1}


async def test_a_queue_that_is_closed_lets_go_of_who_waits_and_of_its_messages(
    scene: Scene,
) -> None:
    waits = scene.receive(scene.bob)
    await scene.ask("list")

    await scene.ask("close", name="jobs")
    await waits.over.wait()

    assert waits.answer == {"type": "empty"}
    assert await scene.ask("send", name="jobs", message={}, create=False) == 5001
    await scene.ask("send", name="jobs", message={"number": 1})
    await scene.ask("close", name="jobs")
    scene.again()
    assert await scene.sizes() == {}


async def test_a_queue_is_drained_of_what_nobody_received(scene: Scene) -> None:
    await scene.ask("send", name="jobs", message={"number": 1})

    await scene.ask("drain", name="jobs")
    scene.again()

    assert await scene.sizes() == {"jobs": 0}


async def test_opening_a_queue_that_is_there_changes_nothing(scene: Scene) -> None:
    await scene.ask("send", name="jobs", message={"number": 1})

    assert await scene.ask("open", name="jobs") is None

    assert await scene.sizes() == {"jobs": 1}


@pytest.mark.parametrize(
    ("name", "request_json"),
    [
        ("send", {"message": {}, "create": False}),
        ("receive", {"create": False}),
        ("drain", {}),
        ("close", {}),
    ],
)
async def test_a_queue_that_is_not_there_is_not_found(
    scene: Scene, name: str, request_json: dict[str, Any]
) -> None:
    assert await scene.ask(name, **{"name": "jobs", **request_json}) == 5001


@pytest.mark.parametrize(
    ("name", "rights"),
    [
        ("send", {"send": []}),
        ("receive", {"receive": ["other"]}),
        ("drain", {"receive": []}),
        ("open", {"receive": [], "send": ["other"]}),
        ("close", {"receive": [], "send": []}),
        ("list", {"list": False}),
        ("list", None),
    ],
)
async def test_what_is_not_granted_is_refused(
    scene: Scene, name: str, rights: dict[str, Any] | None
) -> None:
    scope = ApiScope() if rights is None else ApiScope(queues=QueuesGrant(**rights))

    answer = await scene.ask(name, FakeCaller("ann", scope), **{"name": "jobs", "message": {}})

    assert answer == 1001
    assert await scene.sizes() == {}


def test_a_message_of_another_type_is_refused_in_plain_words(scene: Scene) -> None:
    caller = FakeCaller("ann")

    answer = ask(scene.queues, "send", caller, {"name": "jobs", "message": [1]}).answer

    assert answer["text"].endswith("message: a message is an object or a text")


@pytest.mark.parametrize(
    "request_json", [{"message": {}}, {"name": "", "message": {}}, {"name": "jobs", "message": 5}]
)
async def test_a_message_that_is_none_is_refused(
    scene: Scene, request_json: dict[str, Any]
) -> None:
    assert await scene.ask("send", **request_json) == 1002


async def test_a_queue_has_bounds() -> None:
    scene = Scene(queue_bytes_max=300, room_queues_max=1)
    await scene.open()
    message = {"text": "x" * 15}

    assert await scene.ask("send", name="jobs", message=message) is None
    assert await scene.ask("send", name="jobs", message=message) == 1002
    assert await scene.ask("open", name="another") == 1002
    await scene.ask("receive", name="jobs")
    assert await scene.ask("send", name="jobs", message=message) is None


@given(st.lists(st.sampled_from(["send", "ann", "bob", "leave ann", "leave bob", "restart"])))
async def test_every_message_goes_to_one_receiver_in_order(steps: list[str]) -> None:
    scene = Scene()
    await scene.open()
    waiting: dict[str, list[Asked]] = {"ann": [], "bob": []}
    begun: list[Asked] = []
    sent = 0
    for step in [*steps, "restart"]:
        if step == "send":
            await scene.ask("send", name="jobs", message={"number": sent})
            sent += 1
        elif step in waiting:
            caller = scene.ann if step == "ann" else scene.bob
            waiting[step].append(scene.receive(caller))
            begun.append(waiting[step][-1])
        else:
            names = waiting if step == "restart" else [step.removeprefix("leave ")]
            for asked in [each for name in names for each in waiting[name]]:
                asked.call.abandon()
            await scene.sizes()
            if step == "restart":
                scene.again()
        await scene.sizes()

    received = [asked.answer["json"]["number"] for asked in begun if asked.answers]
    rest = (await scene.sizes()).get("jobs", 0)
    left = [(await scene.ask("receive", name="jobs"))["number"] for _ in range(rest)]

    assert sorted(received + left) == list(range(sent))
    assert received == sorted(received)
    assert left == sorted(left)


async def test_who_watches_sees_how_many_messages_wait(scene: Scene) -> None:
    await scene.ask("send", name="jobs", message={})
    scene.again()
    document = reserved(".room/queues")
    scene.queues.map.watch(document)
    await scene.sizes()
    assert shown(document, "queues") == {"jobs": {"size": 1, "receivers": 0}}

    await scene.ask("receive", name="jobs")
    waiting = scene.receive(scene.bob)
    await scene.sizes()
    assert shown(document, "queues") == {"jobs": {"size": 0, "receivers": 1}}
    waiting.call.abandon()
    await scene.ask("close", name="jobs")

    assert shown(document, "queues") == {}


async def test_who_leaves_while_its_message_is_stored_leaves_it_whole(scene: Scene) -> None:
    await scene.ask("open", name="jobs")
    scene.may_keep.clear()
    sending = ask(scene.queues, "send", scene.ann, {"name": "jobs", "message": "do it"})
    await asyncio.sleep(0)

    sending.call.abandon()
    scene.may_keep.set()
    await asyncio.wait([it for it in asyncio.all_tasks() if it is not asyncio.current_task()])

    assert await scene.sizes() == {"jobs": 1}
    scene.again()
    assert await scene.sizes() == {"jobs": 1}


async def test_what_the_disk_refuses_changes_nothing(scene: Scene) -> None:
    await scene.ask("send", name="jobs", message="do it")
    scene.failure = "the disk is full"

    for verb, name in (("drain", "jobs"), ("close", "jobs"), ("open", "other")):
        assert await scene.ask(verb, name=name) == 1008

    assert await scene.sizes() == {"jobs": 1}


async def test_who_waited_and_left_is_forgotten(scene: Scene) -> None:
    await scene.ask("open", name="jobs")
    for _ in range(3):
        waiting = scene.receive(scene.bob)
        await asyncio.sleep(0)
        waiting.call.abandon()
        await asyncio.wait([it for it in asyncio.all_tasks() if it is not asyncio.current_task()])

    assert not scene.queues._queues["jobs"].waiting


async def test_messages_that_say_nothing_count_as_well() -> None:
    scene = Scene(queue_bytes_max=1000)
    await scene.open()

    answers = [await scene.ask("send", name="jobs", message="") for _ in range(4)]

    assert answers == [None, None, None, 1002]
