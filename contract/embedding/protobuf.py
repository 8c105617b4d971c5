"""Writes protocol buffers: the wire format of the models that onnxruntime and sentencepiece read.

Source: https://protobuf.dev/programming-guides/encoding/. A field is its number and kind, then its value.
"""

import struct
from collections.abc import Iterable
from typing import Final

_VARINT: Final = 0
_BYTES: Final = 2
_FLOAT: Final = 5


def integer(field: int, value: int) -> bytes:
    """A whole number that is not negative, or a truth."""
    return _varint(field << 3 | _VARINT) + _varint(value)


def real(field: int, value: float) -> bytes:
    """A float of 32 bits."""
    return _varint(field << 3 | _FLOAT) + struct.pack("<f", value)


def text(field: int, value: str | bytes) -> bytes:
    """A string, or bytes: also a message of its own, already encoded."""
    content = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | _BYTES) + _varint(len(content)) + content


def texts(field: int, values: Iterable[str | bytes]) -> bytes:
    """A repeated field."""
    return b"".join(text(field, value) for value in values)


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
