"""
Hostile messages of the MeshAgent protocol, each made from a seed and a number alone: random
packets, honest ones that were changed, and calls and streams that are well formed and lie.
"""

from __future__ import annotations

import base64
import copy
import json
from random import Random
from typing import TYPE_CHECKING, Any

from tests.apis.test_grants import TOOLS
from tests.fuzz import grammar
from tests.fuzz.cases import INTEGERS, Case, changed, honest_update, odd_frames
from tests.server.fakes import frame
from tests.support.member import CLOSE, OPEN, binary, json_content, pack, packet, packets

if TYPE_CHECKING:
    from collections.abc import Callable

JSON = dict[str, Any]

OUTSIDE = {"agents.call"}
"""What makes the server call elsewhere: never asked with addresses that were made up."""

CALLS = ["a", "b", "c", "d", "", "x" * 512, "x" * 513]
"""The ids of calls: few, so that what is sent to a stream mostly meets one."""

ODD: list[Any] = [
    *(None, True, -1, 0, 1.5, 1e308, "", "\0", "../..", ".room/queues", "\u202e", "\U0001f600"),
    *("x" * 5000, [], {}, [[]], {"": {}}, ["a"] * 300, {"a": {"b": {"c": [None]}}}, *INTEGERS),
]
HOST_KINDS = ["room.tool_call_response", "room.tool_call_response_chunk"]


def make_case(seed: int, number: int, target: str) -> Case:
    """The case of a number.

    Args:
        seed: what it is made from.
        number: with the seed.
        target: the id of an honest participant, to be called and written to.
    """
    rng = Random(f"mesh/{seed}/{number}")
    kind = rng.random()
    if kind < 0.05:
        return Case(frame(rng.randbytes(rng.randrange(80))))
    made = _MESSAGES[rng.randrange(len(_MESSAGES))](rng, number, target)
    if kind < 0.08:
        return Case(odd_frames(rng, made[-1]))
    if kind < 0.20:
        at = rng.randrange(len(made))
        made[at] = changed(rng, made[at])
    elif kind < 0.25:
        made = rng.choice([made[:-1], made[::-1], made[1:], made * 2, [made[0], *made]])
    return Case(b"".join(map(frame, made)))


def _call(rng: Random, number: int, target: str) -> list[bytes]:
    """A tool of the room's with arguments that are mostly not what it wants."""
    name = rng.choice([each for each in TOOLS if each not in OUTSIDE])
    arguments = copy.deepcopy(TOOLS[name].arguments)
    if "to_participant_id" in arguments:
        arguments["to_participant_id"] = target
    if rng.random() < 0.8:
        _spoil(rng, arguments)
    kit, tool = name.split(" ")[0].split(".")
    if kit == "agents":
        return _say(rng, f"room.{tool}", arguments)
    return _say(
        rng,
        "room.invoke_tool",
        {
            "toolkit": kit,
            "tool": tool,
            "tool_call_id": rng.choice([*CALLS, str(number), None]),
            "arguments": rng.choice([json_content(arguments), binary(arguments), arguments, OPEN]),
            "participant_id": rng.choice([None] * 9 + [target]),
        },
        rng.randbytes(rng.choice([0, 0, 9, 3000])),
    )


def _hosted(rng: Random, number: int, target: str) -> list[bytes]:
    """The toolkit that the honest one hosts."""
    header = {
        "toolkit": "desk",
        "tool": rng.choice(["echo", "echo", "none"]),
        "tool_call_id": rng.choice([*CALLS, str(number)]),
        "arguments": _content(rng),
        "participant_id": rng.choice([None, target, "nobody"]),
        "on_behalf_of_id": rng.choice([None, target, 5]),
    }
    return _say(rng, "room.invoke_tool", header, rng.randbytes(rng.randrange(99)))


def _stream(rng: Random, number: int, target: str) -> list[bytes]:
    """What belongs to a stream, if there is one."""
    header = {"tool_call_id": rng.choice(CALLS[:5]), "chunk": _content(rng)}
    return _say(rng, "room.tool_call_request_chunk", header, rng.randbytes(rng.randrange(99)))


def _document(rng: Random, number: int, target: str) -> list[bytes]:
    """A document that is opened and changed; the schema may be none."""
    call = f"{rng.choice(CALLS[:4])}{number}"
    start: JSON = {"kind": "start", "path": rng.choice(["probe.page"] * 3 + ["none.page"])}
    start["create"] = rng.random() < 0.5
    vector = base64.b64encode(rng.choice([b"\0", rng.randbytes(9), b"\xff\xff\xff\xff\x0f"]))
    start["vector"] = rng.choice([None, vector.decode(), "?"])
    if rng.random() < 0.2:
        _spoil(rng, start)
    made = _say(
        rng,
        "room.invoke_tool",
        {"toolkit": "sync", "tool": "open", "tool_call_id": call, "arguments": OPEN},
    )
    made += _say(
        rng, "room.tool_call_request_chunk", {"tool_call_id": call, "chunk": binary(start)}
    )
    for _ in range(rng.randint(0, 3)):
        update = rng.choice([grammar.update, honest_update])(rng, number)
        if rng.random() < 0.4:
            update = changed(rng, update)
        text = base64.b64encode(update) if rng.random() < 0.95 else update
        chunk = {"tool_call_id": call, "chunk": binary({"kind": "sync"})}
        made += _say(rng, "room.tool_call_request_chunk", chunk, text)
    return made


def _host(rng: Random, number: int, target: str) -> list[bytes]:
    """What a host says, of calls that there may be."""
    content = _content(rng)
    header = content if rng.random() < 0.5 else {"tool_call_id": "a", "chunk": content}
    return packets(rng.choice([*range(40), *INTEGERS]), rng.choice(HOST_KINDS), pack(header))


def _offer(rng: Random, number: int, target: str) -> list[bytes]:
    spec = {"types": rng.choice([["json"], [], ["none"]]), "stream": True, "schema": {}}
    offer: JSON = {
        "name": rng.choice(["desk", "other", "storage", str(number)]),
        "public": rng.random() < 0.5,
        "tools": {"echo": {"title": "", "input_spec": spec, "output_spec": spec}},
        "annotations": {"a": "b"},
    }
    _spoil(rng, offer)
    return _say(rng, "room.register_toolkit", offer)


def _attributes(rng: Random, number: int, target: str) -> list[bytes]:
    attributes: JSON = {"name": "me", f"at-{number % 50}": {}}
    _spoil(rng, attributes)
    return _say(rng, "set_attributes", attributes)


def _lengths(rng: Random, number: int, target: str) -> list[bytes]:
    """Packets whose numbers are at their bounds."""
    body = pack({"a": 1}, b"rest")
    bounds = [each for each in INTEGERS if each < 2**32]
    first = packet(rng.choice(INTEGERS), 0, b"room.invoke_tool", rng.choice(bounds))
    length = rng.choice(INTEGERS).to_bytes(8, "big")
    return [first, *(packet(1, rng.choice([1, *bounds]), rng.choice([body, length]), None),) * 2]


def _depths(rng: Random, number: int, target: str) -> list[bytes]:
    """JSON that is deep, wide, or none."""
    text = rng.choice(
        [
            b'{"a":' * 200 + b"1" + b"}" * 200,
            b'{"a":' + b"[" * 100_000,
            b'{"a":1,"a":2}',
            b'{"a":NaN}',
            b'{"a":1e999}',
            b'{"a":' + b"9" * 5000 + b"}",
            b'{"a":"\\ud800"}',
            b'"text"',
            b"",
            b"\xff",
            b'{"\\u0000":"\\u0000"}',
        ]
    )
    kind = rng.choice(["room.invoke_tool", "set_attributes", "room.tool_call_response", "?" * 600])
    return packets(number, kind, pack(text))


_MESSAGES: list[Callable[[Random, int, str], list[bytes]]] = [
    *(_call,) * 5,
    *(_document,) * 3,
    *(_stream,) * 2,
    *(_hosted, _hosted, _host, _offer, _attributes, _lengths, _depths),
]


def _content(rng: Random) -> Any:
    text = {"type": "text", "text": rng.choice(ODD)}
    error = {"type": "error", "text": "no", "code": rng.choice(ODD)}
    odd: list[Any] = [{}, 5, None, {"type": rng.choice(ODD)}, {"type": "control", "method": 1}]
    said = {"type": "note", "message_json": rng.choice(["{}", "[", "5"]), "attachment_base64": "?"}
    data = binary({"kind": rng.choice(["start", "sync", "data", "pull", "end"]), "path": "a"})
    usual: list[Any] = [OPEN, CLOSE, text, error, data, json_content(said), json_content({})]
    return rng.choice(usual * 2 + odd)


def _spoil(rng: Random, value: JSON) -> None:
    """Change one thing of an object, at any depth."""
    while True:
        name = rng.choice(list(value)) if value else "a"
        inner = value.get(name)
        if not isinstance(inner, dict) or rng.random() < 0.3:
            break
        value = inner
    how = rng.random()
    if how < 0.2:
        value.pop(name, None)
    elif how < 0.3:
        value[rng.choice(["more", "", "__meshagent__", "payload"])] = rng.choice(ODD)
    else:
        value[name] = rng.choice(ODD)


def _say(rng: Random, kind: str, header: JSON, payload: bytes = b"") -> list[bytes]:
    text = json.dumps(header, ensure_ascii=rng.random() < 0.5).encode()
    slice_bytes = rng.choice([7, 1024, 1024, 1 << 20]) if len(text) < 4000 else 1024
    return packets(
        rng.choice([0, 1, 7, rng.randrange(1 << 53)]), kind, pack(text, payload), slice_bytes
    )
