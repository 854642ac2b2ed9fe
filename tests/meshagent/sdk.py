"""The published MeshAgent SDKs, each run unmodified, and one face for both."""

from __future__ import annotations

import base64
import itertools
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.driver import WAIT_S, Driver, need

if TYPE_CHECKING:
    import asyncio

    from tests.support.server import Server

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PYTHON = ROOT / ".venv-meshagent" / "bin" / "python"
CLI = PYTHON.with_name("meshagent")
MODULES = HERE / "node_modules"

JSON = dict[str, Any]
ELEMENT = {"type": "object", "additionalProperties": False}


def need_python() -> None:
    if not PYTHON.with_name("..").joinpath("installed").exists():
        need("the MeshAgent SDK for Python is not installed: make meshagent-packages")


def need_javascript() -> None:
    if shutil.which("node") is None:
        need("node is not installed")
    if not MODULES.is_dir():
        need("the MeshAgent SDK for JavaScript is not installed: npm ci in tests/meshagent")


class Sdk(Driver):
    """Participants of one SDK, all in one process."""

    def __init__(self, name: str) -> None:
        if name == "python":
            need_python()
            super().__init__([str(PYTHON), "-E", "-m", "tests.meshagent.driver"], ROOT)
        else:
            need_javascript()
            super().__init__(["node", "driver.mjs"], HERE)
        self.name = name
        self._names = itertools.count(1)

    async def connect(self, url: str, token: str, **options: Any) -> Participant:
        """Join a room, and return once it is ready."""
        client = next(self._names)
        me = await self.request("connect", client=client, url=url, token=token, **options)
        return Participant(self, client, me)


class Participant:
    """One client of an SDK in a room, by remote control."""

    def __init__(self, sdk: Sdk, client: int, me: JSON) -> None:
        self.id: str = me["id"]
        self.attributes: JSON = me["attributes"]
        self.room: str = me["room"]
        self.url: str = me["url"]
        self.session: str = me["session"]
        self.is_closed = False
        self._sdk = sdk
        self._client = client
        self._calls = itertools.count(1)

    async def _request(self, request: str, **details: Any) -> Any:
        return await self._sdk.request(request, client=self._client, **details)

    async def close(self) -> None:
        self.is_closed = True
        await self._request("close")

    # -- what it saw, and what it will see

    async def events(self) -> list[JSON]:
        events: list[JSON] = await self._request("events")
        return events

    async def event(self, event: str, after: int = 0, **wanted: Any) -> None:
        """Wait for an event, from the ``after``-th on, that holds all this."""
        await self._until("event", wanted={"event": event, **wanted}, after=after)

    async def message(
        self, kind: str, message: JSON, attachment: bytes = b"", *, sender: str | None = None
    ) -> None:
        """Wait for a message, if told so of the sender with this id."""
        encoded = base64.b64encode(attachment).decode()
        told = {"kind": kind, "message": message, "attachment": encoded}
        await self.event("message", message=told | ({"from": sender} if sender else {}))

    async def sees(self, name: str, **attributes: Any) -> None:
        """Wait until somebody of this name is there, with these attributes."""
        await self._until("participant", wanted={"attributes": {"name": name, **attributes}})

    async def sees_nobody(self) -> None:
        await self._until("alone")

    async def _until(self, condition: str, **details: Any) -> None:
        await self._request("until", condition=condition, details=details, seconds=WAIT_S)

    # -- messaging

    async def enable(self) -> None:
        """Say that it is here, and wait until it knows who else is."""
        seen = len(await self.events())
        await self._request("enable")
        await self.event("messaging_enabled", after=seen)

    async def disable(self) -> None:
        await self._request("disable")

    async def participants(self) -> list[JSON]:
        participants: list[JSON] = await self._request("participants")
        return participants

    async def send(self, to: str, kind: str, message: JSON, attachment: bytes = b"") -> None:
        """Send to somebody of this name; to itself, if there is nobody else of it."""
        encoded = base64.b64encode(attachment).decode()
        await self._request("send", to=to, kind=kind, message=message, attachment=encoded)

    async def broadcast(self, kind: str, message: JSON, attachment: bytes = b"") -> None:
        encoded = base64.b64encode(attachment).decode()
        await self._request("broadcast", kind=kind, message=message, attachment=encoded)

    async def set(self, name: str, value: Any) -> None:
        """Set an attribute of its own."""
        await self._request("set", name=name, value=value)

    async def converse(self, to: str, *messages: JSON) -> list[JSON]:
        """What somebody answers to each message but the first, over a stream of their own."""
        replies: list[JSON] = await self._request("converse", to=to, messages=list(messages))
        return replies

    # -- queues and files

    async def containers(self) -> JSON:
        """The ports of each container that runs, by its id."""
        return dict(await self._request("containers"))

    async def build(self, tag: str, archive: bytes) -> JSON:
        """The log, exit code and status of a build of an image."""
        data = base64.b64encode(archive).decode()
        return dict(await self._request("build", tag=tag, data=data))

    async def queue(self, verb: str, name: str | None = None, **arguments: Any) -> Any:
        """What a method of ``room.queues`` returns; ``list`` gives sizes by name."""
        named = {} if name is None else {"name": name}
        return await self._request("queues", verb=verb, arguments=named | arguments)

    async def file(self, verb: str, **arguments: Any) -> Any:
        """What a method of ``room.storage`` returns; bytes are in base64, ``list`` gives names."""
        return await self._request("storage", verb=verb, arguments=arguments)

    async def upload(self, path: str, data: bytes, *, overwrite: bool = False) -> None:
        encoded = base64.b64encode(data).decode()
        await self.file("upload", path=path, data=encoded, overwrite=overwrite)

    async def download(self, path: str) -> bytes:
        content = await self.file("download", path=path)
        return base64.b64decode(content.get("data", ""))

    # -- toolkits

    async def toolkits(self, of: str | None = None) -> dict[str, JSON]:
        """The toolkits it may use, by name."""
        found = await self._request("toolkits", of=of)
        return {toolkit["name"]: toolkit for toolkit in found}

    async def host(self, name: str, *, public: bool = True) -> None:
        """Offer the tool ``ask``; in Python ``count``, ``collect`` and ``echo`` as well."""
        await self._request("host", name=name, public=public)

    async def unhost(self, name: str) -> None:
        await self._request("unhost", name=name)

    async def invoke(self, toolkit: str, tool: str, content: JSON, of: str | None = None) -> JSON:
        """What a tool answers to one content, payloads in base64 under ``data``."""
        answer: JSON = await self._request(
            "invoke", toolkit=toolkit, tool=tool, content=content, of=of
        )
        return answer

    async def ask(self, toolkit: str, of: str | None = None, **arguments: Any) -> JSON:
        return await self.invoke(toolkit, "ask", {"type": "json", "json": arguments}, of)

    def call(self, toolkit: str, tool: str, content: JSON | None = None) -> Call:
        """Begin a call with streams; ``content`` is its input, if that is no stream."""
        call = next(self._calls)
        details = {"call": call, "toolkit": toolkit, "tool": tool, "content": content}
        return Call(self, call, self._sdk.begin("call", client=self._client, **details))

    # -- documents

    async def create(self, path: str, schema: JSON | None = None, content: Any = None) -> None:
        await self._request("create", path=path, schema=schema, content=content)

    async def describe(self, path: str) -> Any:
        return await self._request("describe", path=path)

    async def open(
        self,
        path: str,
        schema: JSON | None = None,
        *,
        create: bool = True,
        content: Any = None,
    ) -> JSON:
        """Open a document; its ``content`` and ``schema``."""
        opened: JSON = await self._request(
            "open", path=path, schema=schema, create=create, content=content
        )
        return opened

    async def shut(self, path: str) -> None:
        await self._request("shut", path=path)

    async def content(self, path: str) -> JSON:
        content: JSON = await self._request("content", path=path)
        return content

    async def content_is(self, path: str, content: JSON) -> None:
        await self._until("content", path=path, content=content)

    async def has_children(self, path: str, count: int) -> None:
        """Wait until the root of a document has so many children."""
        await self._until("children", path=path, count=count)

    async def append(self, path: str, content: JSON, at: tuple[int, ...] = ()) -> None:
        """Append to the element that is found by going down children by index."""
        await self._edit(path, "append", at, content=content)

    async def assign(self, path: str, at: tuple[int, ...], name: str, value: Any) -> None:
        await self._edit(path, "set", at, name=name, value=value)

    async def insert(
        self, path: str, at: tuple[int, ...], index: int, text: str, **attributes: Any
    ) -> None:
        await self._edit(path, "insert", at, index=index, text=text, attributes=attributes)

    async def delete(self, path: str, at: tuple[int, ...]) -> None:
        await self._edit(path, "delete", at)

    async def _edit(self, path: str, kind: str, at: tuple[int, ...], **details: Any) -> None:
        await self._request("edit", path=path, kind=kind, at=list(at), details=details)


class Call:
    """A call in progress."""

    def __init__(self, caller: Participant, call: int, answer: asyncio.Future[JSON | None]) -> None:
        self._caller = caller
        self._call = call
        self._answer = answer

    async def answer(self) -> JSON | None:
        """What it is answered, or None if the answer is a stream."""
        return await self._answer

    async def put(self, content: JSON | None) -> None:
        """One more item of input, or with None its end."""
        await self._caller._request("put", call=self._call, content=content)

    async def get(self) -> JSON | None:
        """The next item of output, or None at its end."""
        await self._answer
        item: JSON | None = await self._caller._request("get", call=self._call)
        return item


def room_url(server: Server, room: str) -> str:
    return f"{server.ws_url}/rooms/{room}"


def schema(root: str, **elements: JSON) -> JSON:
    """A schema of elements by tag; a property is the name of a type, or a list of child tags."""

    def definition(tag: str) -> JSON:
        properties = {name: _property(value) for name, value in elements[tag].items()}
        inner = {**ELEMENT, "required": list(properties), "properties": properties}
        return {**ELEMENT, "required": [tag], "properties": {tag: inner}}

    return {
        "$root_tag_ref": f"#/$defs/{root}",
        **definition(root),
        "$defs": {tag: definition(tag) for tag in elements},
    }


def _property(value: str | list[str]) -> JSON:
    if isinstance(value, str):
        return {"type": [value, "null"]}
    return {"type": "array", "items": {"anyOf": [{"$ref": f"#/$defs/{tag}"} for tag in value]}}


PAGE = schema(
    "page",
    page={"blocks": ["heading", "text", "item"]},
    heading={"title": "string", "level": "number"},
    text={"content": ["text"]},
    item={"title": "string", "done": "boolean", "items": ["item"]},
)
"""A schema with attributes, nested elements and text."""
