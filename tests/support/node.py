"""The published JavaScript providers, each run unmodified in one Node process for many clients."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.driver import WAIT_S, Driver, need

if TYPE_CHECKING:
    from collections.abc import Iterable

CLIENTS = Path(__file__).parent.parent / "clients"
VERSIONS = (1, 2, 3, 4)


def need_node() -> None:
    if shutil.which("node") is None:
        need("node is not installed")
    if not (CLIENTS / "node_modules").is_dir():
        need("the JavaScript clients are not installed: npm ci in tests/clients")


class NodeDriver(Driver):
    """All the providers of a test module, in one process."""

    def __init__(self) -> None:
        super().__init__(["node", "driver.mjs"], CLIENTS)

    async def open(
        self,
        url: str,
        path: str,
        *,
        version: int = 3,
        token: str | None = None,
        bearer: str | None = None,
        protocols: Iterable[str] = (),
        awareness: dict[str, Any] | None = None,
        client_id: int | None = None,
        renews: bool = True,
    ) -> NodeClient:
        """A new client that connects to ``url/path``; it doesn't wait until it is there.

        ``renews=False`` takes the timer from its presence: then only the server can bring news.
        """
        options = {
            "version": version,
            "url": url,
            "path": path,
            "params": {} if token is None else {"token": token},
            "protocols": list(protocols),
            "headers": {} if bearer is None else {"Authorization": f"Bearer {bearer}"},
            "awareness": {} if awareness is None else awareness,
            "clientId": client_id,
            "renews": renews,
        }
        name = next(self._ids)
        number = await self.request("open", client=name, options=options)
        return NodeClient(self, name, number)

    async def load(self, *updates: bytes, **names: list[str]) -> dict[str, Any]:
        """What Yjs reads out of updates: texts, maps, and so on, by the names asked for."""
        encoded = [base64.b64encode(update).decode() for update in updates]
        loaded: dict[str, Any] = await self.request("load", updates=encoded, names=names)
        return loaded

    async def history(self, seed: int, steps: int) -> list[bytes]:
        """The updates of three replicas that edit everything Yjs knows, in the order made."""
        made = await self.request("history", seed=seed, steps=steps)
        return [base64.b64decode(update) for update in made]

    async def recode(self, *updates: bytes) -> bytes:
        """A document as Yjs itself writes it."""
        encoded = [base64.b64encode(update).decode() for update in updates]
        return base64.b64decode(await self.request("recode", updates=encoded))

    async def plain(self, update: bytes, kinds: dict[str, str]) -> dict[str, Any]:
        """What Yjs reads in a document as plain values, its roots read as the kinds given."""
        encoded = base64.b64encode(update).decode()
        read: dict[str, Any] = await self.request("plain", update=encoded, kinds=kinds)
        return read

    async def whole(self, *updates: bytes) -> dict[str, Any]:
        """All that Yjs shows of a document with the roots that ``history`` edits."""
        encoded = [base64.b64encode(update).decode() for update in updates]
        seen: dict[str, Any] = await self.request("whole", updates=encoded)
        return seen


class NodeClient:
    """One provider and its document, by remote control."""

    def __init__(self, driver: NodeDriver, name: int, client_id: int) -> None:
        self.client_id = client_id
        self._driver = driver
        self._name = name

    async def _request(self, request: str, **details: Any) -> Any:
        return await self._driver.request(request, client=self._name, **details)

    # -- connection

    async def close(self) -> None:
        await self._request("close")

    async def connect(self) -> None:
        await self._request("connect")

    async def disconnect(self) -> None:
        """As the provider does it: says goodbye to presence, closes the socket."""
        await self._request("disconnect")

    async def cut(self) -> None:
        """Drop the socket without a word, and stay away."""
        await self._request("cut")

    async def send(self, message: bytes) -> None:
        await self._request("send", message=base64.b64encode(message).decode())

    # -- edits

    async def insert(
        self, at: int, text: str, attributes: dict[str, Any] | None = None, name: str = "text"
    ) -> None:
        await self._edit("insert", name=name, at=at, text=text, attributes=attributes)

    async def delete(self, at: int, length: int, name: str = "text") -> None:
        await self._edit("delete", name=name, at=at, length=length)

    async def format(
        self, at: int, length: int, attributes: dict[str, Any], name: str = "text"
    ) -> None:
        await self._edit("format", name=name, at=at, length=length, attributes=attributes)

    async def set(self, key: str, value: Any, name: str = "map") -> None:
        await self._edit("set", name=name, key=key, value=value)

    async def unset(self, key: str, name: str = "map") -> None:
        await self._edit("unset", name=name, key=key)

    async def push(self, *values: Any, name: str = "array") -> None:
        await self._edit("push", name=name, values=list(values))

    async def element(
        self,
        tag: str,
        text: str | None = None,
        name: str = "xml",
        attributes: dict[str, Any] | None = None,
    ) -> None:
        await self._edit("element", name=name, tag=tag, text=text, attributes=attributes)

    async def write(self, path: list[int], text: str, name: str = "xml") -> None:
        """Append to the text that is found by going down children by index."""
        await self._edit("write", name=name, path=path, text=text)

    async def subdocument(self, key: str, name: str = "map") -> None:
        await self._edit("subdocument", name=name, key=key)

    async def _edit(self, kind: str, **details: Any) -> None:
        await self._request("edit", kind=kind, details=details)

    async def present(self, state: dict[str, Any] | None) -> None:
        await self._request("present", state=state)

    # -- reading

    async def text(self, name: str = "text") -> str:
        content = await self.content(texts=[name])
        text: str = content["texts"][name]
        return text

    async def content(self, **names: list[str]) -> dict[str, Any]:
        """``texts``, ``deltas``, ``maps``, ``arrays``, ``fragments``, ``vector``, ``pending``."""
        content: dict[str, Any] = await self._request("content", names=names)
        return content

    async def state(self) -> bytes:
        """The whole document as one update."""
        return base64.b64decode(await self._request("state"))

    async def states(self) -> dict[int, Any]:
        states: dict[str, Any] = await self._request("states")
        return {int(client): state for client, state in states.items()}

    async def events(self) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = await self._request("events")
        return events

    async def count(self, **wanted: Any) -> int:
        """How many of its events so far hold all these values."""
        return sum(wanted.items() <= event.items() for event in await self.events())

    # -- waiting

    async def synced(self) -> None:
        await self._until("synced")

    async def asked(self) -> None:
        """Wait until the server asked on this connection for what the client has."""
        await self._until("asked")

    async def text_is(self, text: str, name: str = "text") -> None:
        await self._until("text", **{"name": name, "is": text})

    async def text_holds(self, part: str, name: str = "text") -> None:
        await self._until("holds", name=name, part=part)

    async def map_holds(self, key: str, value: Any, name: str = "map") -> None:
        await self._until("map", **{"name": name, "key": key, "is": value})

    async def map_has(self, count: int, name: str = "map") -> None:
        await self._until("keys", name=name, count=count)

    async def has_elements(self, count: int, name: str = "xml") -> None:
        await self._until("elements", name=name, count=count)

    async def sees(self, client_id: int, **fields: Any) -> None:
        await self._until("sees", id=client_id, fields=fields)

    async def sees_no(self, client_id: int) -> None:
        await self._until("misses", id=client_id)

    async def event(self, after: int = 0, **wanted: Any) -> dict[str, Any]:
        """The first event, from the ``after``-th on, that holds all these values."""
        await self._until("event", wanted=wanted, after=after)
        events = (await self.events())[after:]
        return next(event for event in events if wanted.items() <= event.items())

    async def _until(self, condition: str, **details: Any) -> None:
        await self._request("until", condition=condition, details=details, seconds=WAIT_S)
