"""
Hooks: what a program around the server may decide, give and hear of.

A coroutine function runs on the event loop; a plain function runs in a thread, and so it may wait
for a database. What a hook raises harms only what it was asked for: a `SyncroomError` is the
answer to whoever waits, everything else is logged as an incident and raised as `HookFailed`.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from syncroom.auth.participant import Participant
from syncroom.auth.visitor import Visitor
from syncroom.errors import HookFailed, SyncroomError
from syncroom.logs import log_incident

if TYPE_CHECKING:
    from syncroom.contents import Contents

_log = logging.getLogger("syncroom.hooks")

T = TypeVar("T")

Content: TypeAlias = bytes | str | Mapping[str, Any] | None
"""What a new document begins with: a Yjs update, the text named ``content``, a JSON object with a
root type for each key, or nothing."""


@dataclass(frozen=True, slots=True)
class Change:
    """A document that was changed, with what was changed on disk."""

    room: str
    path: str
    participants: frozenset[str]
    """The ids of those who changed it."""
    _contents: Contents = field(repr=False)

    async def json(self) -> Any:
        """The whole document as JSON, an object with its root types.

        Raises `SyncroomError`: `NotFound` where the document was deleted meanwhile.
        """
        return json.loads((await self._contents.export(self.room, self.path, "json")).value)

    async def text(self, root: str | None = None) -> str:
        """One text of the document, the only one or the named one; raises as `json` does."""
        text: bytes = (await self._contents.export(self.room, self.path, "text", root)).value
        return text.decode()

    async def update(self) -> bytes:
        """The whole document as one Yjs update, format v1; raises as `json` does."""
        update: bytes = (await self._contents.export(self.room, self.path, "update")).value
        return update


Authenticate: TypeAlias = Callable[[Visitor], Awaitable[Participant | None] | Participant | None]
OnLoad: TypeAlias = Callable[[str, str], Awaitable[Content] | Content]
OnChange: TypeAlias = Callable[[Change], Awaitable[None] | None]
OnPresence: TypeAlias = Callable[[str, str, Participant], Awaitable[None] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What a program around the server takes part in. Each is optional.

    Attributes:
        authenticate: asked before the token is looked at, for each connection and each request
            over HTTP. The participant that it returns comes in, without a token; None leaves it to
            the token. It may refuse by raising `Denied` or `Unauthenticated`.
        on_load: for a room and a path, what a document begins with. It is asked when a document is
            opened that was never written, and what it returns is written once, in the transaction
            that creates the document. It may refuse by raising `NotFound` or `Denied`.
        on_change: told of a document that was changed, once its writers have paused.
        on_join: told the room, the path and the participant when somebody has opened a document.
        on_leave: told the same when that connection has ended.
    """

    authenticate: Authenticate | None = None
    on_load: OnLoad | None = None
    on_change: OnChange | None = None
    on_join: OnPresence | None = None
    on_leave: OnPresence | None = None


async def call_hook(
    name: str, hook: Callable[..., Awaitable[T] | T], *arguments: Any, s_max: float, **about: str
) -> T:
    """What a hook returns; raises `HookFailed`, and what it raises of `SyncroomError`.

    Args:
        name: what it is called, for the log.
        hook: a plain function or a coroutine function.
        arguments: what it is given.
        s_max: it is given up after so many seconds; a thread runs on.
        about: what the log says about the occasion.
    """
    is_coroutine = inspect.iscoroutinefunction(hook)
    try:
        async with asyncio.timeout(s_max):
            result: Any
            result = hook(*arguments) if is_coroutine else await asyncio.to_thread(hook, *arguments)
            if inspect.isawaitable(result):
                result = await result
    except SyncroomError:
        raise
    except Exception as error:
        raise hook_failed(name, error, **about) from error
    returned: T = result
    return returned


def hook_failed(name: str, error: Exception, **about: str) -> HookFailed:
    """What to raise for a hook that did something wrong; it is logged."""
    incident = log_incident(_log, f"the hook {name} failed", error, **about)
    return HookFailed(f"internal error, incident {incident}")
