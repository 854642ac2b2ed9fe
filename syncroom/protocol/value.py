"""
The values inside updates, walked without being built: lib0's ``any`` encoding and JSON texts.

A value that passes here is one that every Yjs implementation decodes: finite depth, honest
counts, UTF-8, JSON as the standard has it. Source of the format: lib0, ``encoding.js``
(``writeAny``).
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from syncroom.errors import Malformed
from syncroom.protocol import varint

if TYPE_CHECKING:
    from collections.abc import Callable

    Spend = Callable[[int], None]
    """Told how many values come before they are read; may raise `LimitExceeded`."""

_FIXED_BYTES = {127: 0, 126: 0, 124: 4, 123: 8, 122: 8, 121: 0, 120: 0}
"""undefined, null, float32, float64, bigint, false, true."""

_DIGITS_MAX = 300
"""Integers of more digits soon leave the range of a float, and then strict parsers refuse them."""


def spend_nothing(count: int) -> None:
    """Any number of values is welcome."""


def skip_any(data: bytes, at: int, depth_max: int, spend: Spend = spend_nothing) -> int:
    """The offset after the value at an offset; raises `Malformed`, and what `spend` does."""
    if depth_max < 0:
        raise Malformed("a value is nested too deep")
    if at >= len(data):
        raise Malformed("the bytes end before a value")
    kind = data[at]
    at += 1
    if kind in _FIXED_BYTES:
        at += _FIXED_BYTES[kind]
        if at > len(data):
            raise Malformed("the bytes end inside a value")
        return at
    if kind == 125:
        return _skip_signed(data, at)
    if kind == 119:
        return varint.decode_text(data, at)[1]
    if kind == 116:
        return varint.decode_bytes(data, at)[1]
    if kind in (117, 118):
        return _skip_collection(data, at, depth_max - 1, spend, has_keys=kind == 118)
    raise Malformed(f"a value has the unknown type {kind}")


def _skip_collection(data: bytes, at: int, depth_max: int, spend: Spend, *, has_keys: bool) -> int:
    count, at = varint.decode(data, at)
    if count > len(data) - at:
        raise Malformed(f"a collection announces {count} entries in {len(data) - at} bytes")
    spend(1 + count)
    for _ in range(count):
        if has_keys:
            at = varint.decode_text(data, at)[1]
        at = skip_any(data, at, depth_max, spend)
    return at


def _skip_signed(data: bytes, at: int) -> int:
    """A signed number: sign in bit 6 and six value bits in the first byte, then sevens."""
    number = shift = 0
    for index, byte in enumerate(data[at : at + 8]):
        number |= (byte & (127 if index else 63)) << shift
        if byte < 128:
            if number > varint.NUMBER_MAX:
                raise Malformed(f"a number is {number}, above {varint.NUMBER_MAX}")
            return at + index + 1
        shift += 7 if index else 6
    raise Malformed("a signed number is too long, or the bytes end inside it")


def check_json(text: str, depth_max: int) -> object:
    """The value of a JSON text; raises `Malformed` for what a strict parser would refuse."""
    try:
        value = json.loads(
            text,
            object_pairs_hook=_distinct,
            parse_constant=_refuse,
            parse_float=_finite,
            parse_int=int if len(text) < _DIGITS_MAX else _short_integer,
        )
        if "\\u" in text:
            # half of a surrogate pair can be escaped in JSON, and strict parsers refuse it
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        where = f"{error.msg} at line {error.lineno}, column {error.colno}"
        raise Malformed(f"a JSON text is not valid: {where}") from None
    except UnicodeEncodeError:
        raise Malformed("a JSON text is not valid: half of a surrogate pair is no text") from None
    except RecursionError:
        raise Malformed(f"a JSON text is nested deeper than {depth_max}") from None
    except ValueError as error:
        raise Malformed(f"a JSON text is not valid: {error}") from None
    if text.count("[") + text.count("{") > depth_max and _depth(value) > depth_max:
        raise Malformed(f"a JSON text is nested deeper than {depth_max}")
    return value


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object, none of whose values is hidden behind another of the same name."""
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name occurs twice")
    return value


def _short_integer(text: str) -> int:
    if len(text) > _DIGITS_MAX:
        raise ValueError("an integer is larger than a float can be")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is larger than a float can be")
    return number


def _depth(value: object) -> int:
    """Levels of nesting, without recursion."""
    depth, level = 0, [value]
    while level:
        inner: list[object] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
        depth += any(isinstance(item, dict | list) for item in level)
        level = inner
    return depth
