"""Values inside updates: what a strict decoder takes passes, at any depth up to the limit."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syncroom.errors import Malformed
from syncroom.protocol.value import check_json, skip_any
from tests.properties import examples
from tests.support import wire

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=15,
)
any_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats()
    | st.text()
    | st.binary(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=15,
)


def _write_any(value: Any) -> bytes:
    """lib0's ``writeAny``, as its source has it."""
    if value is None:
        return b"\x7e"
    if isinstance(value, bool):
        return b"\x78" if value else b"\x79"
    if isinstance(value, int):
        return b"\x7d" + _signed(value)
    if isinstance(value, float):
        return b"\x7b" + struct.pack(">d", value)
    if isinstance(value, str):
        return b"\x77" + wire.string(value)
    if isinstance(value, bytes):
        return b"\x74" + wire.varbytes(value)
    if isinstance(value, list):
        return b"\x75" + wire.varuint(len(value)) + b"".join(map(_write_any, value))
    pairs = [wire.string(key) + _write_any(each) for key, each in value.items()]
    return b"\x76" + wire.varuint(len(pairs)) + b"".join(pairs)


def _signed(number: int) -> bytes:
    sign, number = (64, -number) if number < 0 else (0, number)
    first, rest = number & 63 | sign, number >> 6
    return bytes([first | 128]) + wire.varuint(rest) if rest else bytes([first])


def _nested(opening: bytes, depth: int) -> bytes:
    return opening * depth + b"\x7e"


@examples(150)
@given(any_values)
def test_a_value_ends_where_its_bytes_end(value: Any) -> None:
    data = _write_any(value)

    assert skip_any(b"?" + data + b"?", 1, depth_max=64) == 1 + len(data)


@examples(150)
@given(any_values, st.data())
def test_every_truncation_of_a_value_is_refused(value: Any, data: st.DataObject) -> None:
    encoded = _write_any(value)
    length = data.draw(st.integers(0, len(encoded) - 1))

    with pytest.raises(Malformed):
        skip_any(encoded[:length], 0, depth_max=64)


@pytest.mark.parametrize("kind", [127, 126, 121, 120, *((k, n) for k, n in ((124, 4), (123, 8)))])
def test_kinds_of_a_fixed_size_are_skipped(kind: int | tuple[int, int]) -> None:
    number, size = kind if isinstance(kind, tuple) else (kind, 0)
    data = bytes([number]) + bytes(size)

    assert skip_any(data + b"?", 0, depth_max=0) == 1 + size


@pytest.mark.parametrize("kind", [*range(116), *range(128, 256)])
def test_a_value_of_unknown_type_is_refused(kind: int) -> None:
    with pytest.raises(Malformed, match="unknown type"):
        skip_any(bytes([kind]) + bytes(20), 0, depth_max=64)


@pytest.mark.parametrize("opening", [b"\x75\x01", b"\x76\x01\x01k"], ids=["lists", "maps"])
def test_values_nest_to_the_limit_and_no_deeper(opening: bytes) -> None:
    good, bad = _nested(opening, 64), _nested(opening, 65)

    assert skip_any(good, 0, depth_max=64) == len(good)
    with pytest.raises(Malformed, match="too deep"):
        skip_any(bad, 0, depth_max=64)


@pytest.mark.parametrize("opening", [b"\x75\x01", b"\x76\x01\x01k"], ids=["lists", "maps"])
def test_a_hundred_thousand_levels_are_refused_without_recursion_that_deep(opening: bytes) -> None:
    with pytest.raises(Malformed, match="too deep"):
        skip_any(_nested(opening, 100_000), 0, depth_max=64)


@pytest.mark.parametrize("kind", [0x75, 0x76])
@pytest.mark.parametrize("count", [5, 2**20, 2**32 - 1, 2**53 - 1])
def test_a_collection_announces_no_more_than_there_is(kind: int, count: int) -> None:
    with pytest.raises(Malformed, match="announces"):
        skip_any(bytes([kind]) + wire.varuint(count) + b"\x7e", 0, depth_max=64)


@pytest.mark.parametrize("number", [2**53 - 1, -(2**53) + 1, 63, 64, -63, -64, 0])
def test_integers_pass_as_far_as_javascript_counts(number: int) -> None:
    data = b"\x7d" + _signed(number)

    assert skip_any(data, 0, depth_max=64) == len(data)


@pytest.mark.parametrize("number", [2**53, -(2**53), 2**54, 2**70])
def test_larger_integers_are_refused(number: int) -> None:
    with pytest.raises(Malformed):
        skip_any(b"\x7d" + _signed(number), 0, depth_max=64)


# -- JSON


@examples(150)
@given(json_values)
@example(10**299)
@example(-(10**298))
@example({"a": {"a": 1}, "b": [{"a": 1}, {"a": 2}]})
def test_what_json_writes_passes_and_is_returned(value: Any) -> None:
    for is_ascii in (True, False):
        assert check_json(json.dumps(value, ensure_ascii=is_ascii), depth_max=64) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "NaN",
        "Infinity",
        "-Infinity",
        "[NaN]",
        "undefined",
        "'a'",
        "{a:1}",
        "[1,]",
        '{"a":1,}',
        "01",
        "+1",
        "1.",
        ".5",
        "1e999",
        "-1e999",
        "[1e400]",
        "1 2",
        '"\n"',
        '"\\x"',
        "\ufeff1",
        "1\0",
    ],
)
def test_what_the_standard_does_not_have_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        check_json(text, depth_max=64)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": NaN}', "NaN is no JSON"),
        ("[1e400]", "a number is larger than a float can be"),
        ('{"a":1,"a":1}', "a name occurs twice"),
        ('"\\ud800"', "half of a surrogate pair"),
        ("[" * 100_000 + "]" * 100_000, "nested deeper than 64"),
    ],
)
def test_a_refusal_says_why(text: str, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        check_json(text, depth_max=64)


@pytest.mark.parametrize("text", ['"\\ud800"', '"\\udc00"', '"\\ud800\\ud800"', '{"\\udead":1}'])
def test_half_of_a_surrogate_pair_is_refused_and_a_whole_one_passes(text: str) -> None:
    with pytest.raises(Malformed):
        check_json(text, depth_max=64)

    assert check_json('"\\ud83d\\ude00"', depth_max=64) == "😀"


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":1}',
        '{"a":"\\ud800","a":1}',
        '{"a":' + "[" * 200 + "]" * 200 + ',"a":1}',
        '[{"b":{"a":1,"a":2}}]',
    ],
    ids=["plain", "hides half of a pair", "hides a depth", "deeper inside"],
)
def test_a_name_that_hides_another_of_its_object_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        check_json(text, depth_max=64)


@pytest.mark.parametrize("digits", [309, 400, 4000, 5000, 1_000_000])
def test_an_integer_that_no_float_can_hold_is_refused(digits: int) -> None:
    for text in ("1" * digits, "[-" + "9" * digits + "]"):
        with pytest.raises(Malformed):
            check_json(text, depth_max=64)


def test_long_texts_of_digits_pass() -> None:
    text = json.dumps(["1" * 1000, 10**200, "2" * 1000])

    assert check_json(text, depth_max=64) == ["1" * 1000, 10**200, "2" * 1000]


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"k":', "}")])
def test_json_nests_to_the_limit_and_no_deeper(opening: str, closing: str) -> None:
    good = opening * 64 + "1" + closing * 64
    deep = [opening * depth + "1" + closing * depth for depth in (65, 900, 100_000)]

    check_json(good, depth_max=64)
    for text in deep:
        with pytest.raises(Malformed):
            check_json(text, depth_max=64)


def test_brackets_inside_texts_and_side_by_side_are_no_depth() -> None:
    value = ["[" * 100, [[] for _ in range(200)], {"{" * 100: {}}]

    assert check_json(json.dumps(value), depth_max=64) == value
