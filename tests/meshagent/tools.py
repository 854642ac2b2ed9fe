"""The tools that participants with the SDK for Python host; all under Python 3.13."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

from meshagent.api.messaging import Content, JsonContent, unpack_content_parts
from meshagent.api.room_server_client import ToolContentSpec
from meshagent.tools import ContentTool, FunctionTool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

JSON = dict[str, Any]
ANYTHING: JSON = {"type": "object", "additionalProperties": True}


def pack(content: Content) -> JSON:
    data = content.get_data()
    header: JSON = content.to_json()
    return header | ({"data": base64.b64encode(data).decode()} if data else {})


def unpack(content: JSON) -> Content:
    header = dict(content)
    payload = base64.b64decode(header.pop("data", ""))
    return unpack_content_parts(header=header, payload=payload)


class Count(ContentTool):
    """Streams the numbers below one that is given."""

    def __init__(self) -> None:
        super().__init__(
            name="count",
            input_spec=ToolContentSpec(types=["json"], stream=False, schema=ANYTHING),
            output_spec=ToolContentSpec(types=["json"], stream=True),
        )

    async def execute(self, *, context: Any, input: Any) -> AsyncIterator[Content]:
        async def numbers() -> AsyncIterator[Content]:
            for number in range(input.json["below"]):
                yield JsonContent(json={"number": number})

        return numbers()


class Echo(ContentTool):
    """Streams back whatever is streamed to it.

    It names no kinds of content: the SDK for JavaScript cannot read a list with ``binary`` in it.
    """

    def __init__(self) -> None:
        super().__init__(name="echo")

    async def execute(self, *, context: Any, input: Any) -> Any:
        return input


class Collect(ContentTool):
    """Takes a stream, and answers once with what came."""

    def __init__(self) -> None:
        super().__init__(
            name="collect",
            input_spec=ToolContentSpec(types=["json"], stream=True),
            output_spec=ToolContentSpec(types=["json"], stream=False),
        )

    async def execute(self, *, context: Any, input: Any) -> Content:
        return JsonContent(json={"items": [item.json async for item in input]})


class Ask(FunctionTool):
    """Answers with what it was asked and by whom; waits or fails if it is asked to."""

    def __init__(self, note: Callable[..., None]) -> None:
        super().__init__(name="ask", input_schema=ANYTHING)
        self._note = note

    def normalize_execution_arguments(self, arguments: JSON) -> JSON:
        return arguments

    async def execute(self, context: Any, **arguments: Any) -> Content:
        self._note("asked", arguments=arguments)
        if "fail" in arguments:
            raise ValueError(arguments["fail"])
        if "wait" in arguments:
            await asyncio.Event().wait()
        if "reply" in arguments:
            return unpack(arguments["reply"])
        return JsonContent(json={"arguments": arguments, "caller": context.caller.id})
