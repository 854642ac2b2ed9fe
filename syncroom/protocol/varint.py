"""
Variable-length unsigned integers as lib0 writes them: groups of seven bits, the lowest first, the
high bit of a byte says that more follow.

Numbers end at 2**53 - 1, the last integer that JavaScript holds exactly, so at eight bytes.
Source of the format: lib0 (https://github.com/dmonad/lib0), ``encoding.js``.
"""

from __future__ import annotations

from syncroom.errors import Malformed

NUMBER_MAX = 2**53 - 1


def encode(number: int) -> bytes:
    """The bytes of a number from 0 to `NUMBER_MAX`."""
    if number < 128:
        return bytes((number,))
    if number < 16384:
        return bytes((number & 127 | 128, number >> 7))
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def decode(data: bytes, at: int) -> tuple[int, int]:
    """The number at an offset and the offset after it; raises `Malformed`."""
    try:
        byte = data[at]
        at += 1
        if byte < 128:
            return byte, at
        number = byte & 127
        shift = 7
        while True:
            byte = data[at]
            at += 1
            number |= (byte & 127) << shift
            if byte < 128:
                break
            shift += 7
            if shift > 49:
                raise Malformed("a number is longer than 8 bytes")
    except IndexError:
        raise Malformed("the bytes end inside a number") from None
    if number > NUMBER_MAX:
        raise Malformed(f"a number is {number}, above {NUMBER_MAX}")
    return number, at


def decode_all(data: bytes) -> list[int]:
    """The numbers that some bytes are, one after the other; raises `Malformed`."""
    numbers: list[int] = []
    number = shift = 0
    for byte in data:  # a call for each number would take twice as long
        if byte < 128:
            numbers.append(number | byte << shift)
            number = shift = 0
        elif shift < 49:
            number |= (byte & 127) << shift
            shift += 7
        else:
            raise Malformed("a number is longer than 8 bytes")
    if shift:
        raise Malformed("the bytes end inside a number")
    if (largest := max(numbers, default=0)) > NUMBER_MAX:
        raise Malformed(f"a number is {largest}, above {NUMBER_MAX}")
    return numbers


def encode_bytes(data: bytes) -> bytes:
    """Bytes with their length before them."""
    return encode(len(data)) + data


def decode_bytes(data: bytes, at: int) -> tuple[bytes, int]:
    """Bytes with their length before them, and the offset after; raises `Malformed`."""
    length, at = decode(data, at)
    end = at + length
    if end > len(data):
        raise Malformed(f"{length} bytes are announced, {len(data) - at} are there")
    return data[at:end], end


def decode_text(data: bytes, at: int) -> tuple[str, int]:
    """UTF-8 text with its length in bytes before it, and the offset after; raises `Malformed`."""
    raw, at = decode_bytes(data, at)
    try:
        return raw.decode(), at
    except UnicodeDecodeError:
        raise Malformed("a text is not UTF-8") from None


def encode_text(text: str) -> bytes:
    """Text as UTF-8 with its length in bytes before it."""
    return encode_bytes(text.encode())
