"""News for hooks, without a server: `tests/server/test_hooks.py` has what clients see of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncroom.contents import Contents
from syncroom.hook_runner import HookRunner
from syncroom.hooks import Hooks
from syncroom.limits import Limits
from syncroom.rooms import Rooms
from syncroom.store.base import Record
from syncroom.store.memory import MemoryStore
from syncroom.store.quarantine import Quarantine

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncroom.hooks import Change

RECORD = Record(0, "ann", (1,), (b"\0\0",))


class Scene:
    """A runner whose news wait for its end, and what it told by then."""

    def __init__(self) -> None:
        limits, store = Limits(change_quiet_s=60), MemoryStore()
        self.told: list[tuple[str, str]] = []
        self.runner = HookRunner(Hooks(on_change=self._on_change), limits)
        self.runner.contents = Contents(Rooms(store, limits), store, Quarantine(None))

    def change(self, room: str, path: str, *, is_durable: bool = True) -> None:
        def keep(_: Record, durable: Callable[[], None], __: str = "", /) -> None:
            if is_durable:
                durable()

        self.runner.watched(room, path, keep)(RECORD, lambda: None)

    def _on_change(self, change: Change) -> None:
        self.told.append((change.room, change.path))


async def test_changes_of_a_deleted_room_are_not_told_and_those_of_others_are() -> None:
    scene = Scene()
    scene.change("gone", "one")
    scene.change("gone", "two")
    scene.change("here", "one")

    scene.runner.forget_room("gone")
    await scene.runner.close()

    assert scene.told == [("here", "one")]


async def test_what_is_not_on_disk_is_not_told() -> None:
    scene = Scene()
    scene.change("demo", "lost", is_durable=False)
    scene.change("demo", "kept")

    await scene.runner.close()

    assert scene.told == [("demo", "kept")]


async def test_many_changes_of_one_document_are_one_piece_of_news() -> None:
    scene = Scene()
    for _ in range(100):
        scene.change("demo", "notes")

    await scene.runner.close()

    assert scene.told == [("demo", "notes")]


async def test_without_a_hook_nothing_is_put_in_the_way_of_a_record() -> None:
    runner = HookRunner(Hooks(), Limits())

    def keep(_: Record, durable: Callable[[], None], __: str = "", /) -> None:
        durable()

    assert runner.watched("demo", "notes", keep) is keep
    await runner.close()
