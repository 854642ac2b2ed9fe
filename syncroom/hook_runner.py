"""
Hooks at work: what new documents begin with, and the news that hooks are told.

News about one document are told one after the other, in order; a hook that fails is not told again.
Changes are told once they are on disk and their writers have paused. What waits when the server
ends is told before it does, as far as that takes no longer than one call may.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from syncroom.errors import LimitExceeded, Malformed, SyncroomError
from syncroom.hooks import Change, Hooks, call_hook, hook_failed
from syncroom.logs import about

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncroom.auth.participant import Participant
    from syncroom.contents import Contents
    from syncroom.document.document import Keep
    from syncroom.limits import Limits
    from syncroom.store.base import Record

_log = logging.getLogger("syncroom.hooks")

Place = tuple[str, str]
"""A room and a path."""


class _Pending:
    """A change that was not told yet."""

    __slots__ = ("first", "last", "participants", "timer")

    def __init__(self, now: float) -> None:
        self.first = self.last = now
        self.participants: set[str] = set()
        self.timer: asyncio.TimerHandle | None = None


class HookRunner:
    """Calls the hooks of one server. Lives on one event loop."""

    def __init__(self, hooks: Hooks, limits: Limits) -> None:
        self.hooks = hooks
        self.contents: Contents | None = None
        """Where documents are read and begun; given once there is one."""
        self._limits = limits
        self._at_once = asyncio.Semaphore(limits.hooks_at_once_max)
        self._pending: dict[Place, _Pending] = {}
        self._last: dict[Place, asyncio.Task[None]] = {}
        """What was to be told last about a place."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def initial_content(self, room: str, path: str) -> bytes | None:
        """The update that a new document begins with, or None; raises `SyncroomError`."""
        if self.hooks.on_load is None:
            return None
        assert self.contents is not None
        where = {"room": room, "path": path}
        s_max = self._limits.hook_s_max
        content = await call_hook("on_load", self.hooks.on_load, room, path, s_max=s_max, **where)
        try:
            return None if content is None else await self.contents.begin(content)
        except (Malformed, LimitExceeded, TypeError, ValueError) as error:
            raise hook_failed("on_load", error, **where) from error

    def joined(self, room: str, path: str, participant: Participant) -> None:
        """Somebody has opened a document."""
        if self.hooks.on_join is not None:
            self._tell("on_join", self.hooks.on_join, room, path, participant)

    def left(self, room: str, path: str, participant: Participant) -> None:
        """Somebody has closed a document."""
        if self.hooks.on_leave is not None:
            self._tell("on_leave", self.hooks.on_leave, room, path, participant)

    def watched(self, room: str, path: str, keep: Keep) -> Keep:
        """The same as a document's way to the disk; what has arrived there counts as a change."""
        if self.hooks.on_change is None:
            return keep

        def keep_and_note(record: Record, durable: Callable[[], None], schema: str = "", /) -> None:
            def both() -> None:
                durable()
                self._note((room, path), record.participant)

            keep(record, both, schema)

        return keep_and_note

    def forget(self, room: str, path: str) -> None:
        """The document was deleted: there is nothing to tell of it."""
        pending = self._pending.pop((room, path), None)
        if pending is not None and pending.timer is not None:
            pending.timer.cancel()

    def forget_room(self, room: str) -> None:
        """The room was deleted with its documents."""
        for place in [each for each in self._pending if each[0] == room]:
            self.forget(*place)

    async def close(self) -> None:
        """Tell what waits, for as long as one call may take."""
        for place in list(self._pending):
            self._tell_change(place)
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=self._limits.hook_s_max)
            for task in late:
                task.cancel()
            if late:
                _log.error("hooks are too slow", extra=about(untold=len(late)))
                await asyncio.wait(late)

    def _note(self, place: Place, participant: str) -> None:
        now = asyncio.get_running_loop().time()
        pending = self._pending.get(place)
        if pending is None:
            pending = self._pending[place] = _Pending(now)
            self._look(place, pending)
        pending.last = now
        pending.participants.add(participant)

    def _look(self, place: Place, pending: _Pending) -> None:
        """Tell a change, unless its writers go on: then look again when they may have paused."""
        loop, limits = asyncio.get_running_loop(), self._limits
        due = min(pending.last + limits.change_quiet_s, pending.first + limits.change_wait_s_max)
        if due <= loop.time():
            self._tell_change(place)
        else:
            pending.timer = loop.call_at(due, self._look, place, pending)

    def _tell_change(self, place: Place) -> None:
        pending = self._pending.pop(place)
        if pending.timer is not None:
            pending.timer.cancel()
        assert self.contents is not None
        change = Change(*place, frozenset(pending.participants), self.contents)
        self._tell("on_change", self.hooks.on_change, *place, change)

    def _tell(self, name: str, hook: Any, room: str, path: str, what: Participant | Change) -> None:
        if len(self._tasks) >= self._limits.hooks_waiting_max:
            _log.error(
                "hooks are too slow: %s was not called", name, extra=about(room=room, path=path)
            )
            return
        arguments = (what,) if isinstance(what, Change) else (room, path, what)
        place = room, path
        telling = self._call(name, hook, arguments, place, self._last.get(place))
        self._last[place] = task = asyncio.get_running_loop().create_task(telling)
        self._tasks.add(task)
        task.add_done_callback(partial(self._told, place))

    async def _call(
        self,
        name: str,
        hook: Any,
        arguments: tuple[Any, ...],
        place: Place,
        before: asyncio.Task[None] | None,
    ) -> None:
        if before is not None:
            await asyncio.wait([before])
        where = {"room": place[0], "path": place[1]}
        async with self._at_once:
            try:
                await call_hook(name, hook, *arguments, s_max=self._limits.hook_s_max, **where)
            except SyncroomError as error:  # what is worth an incident is in the log already
                _log.error("the hook %s ended with: %s", name, error, extra=about(**where))

    def _told(self, place: Place, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._last.get(place) is task:
            del self._last[place]
