"""Reads a GGUF file's header without loading it: its keys, and where its weights end. See ggml's docs/gguf.md."""

import contextlib
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

_FILE_TYPE: Final = b"general.file_type"
_UINT32, _STRING, _ARRAY = 4, 8, 9
_SIZES: Final = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_FORMS: Final = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_MOST_KEYS: Final = 10_000
_UNREADABLE: Final = (
    OSError,
    struct.error,
    KeyError,
    ValueError,
    OverflowError,
    ZeroDivisionError,
    RecursionError,
)
"""What reading a file raises that is no GGUF, or is cut off or damaged."""
_LONGEST_TEXT_BYTES: Final = 1000
"""A chat template is no fact about a file."""
_MOST_STRING_BYTES: Final = 2**26
_MOST_LISTED: Final = 4096
_MOST_TENSORS: Final = 200_000
_MOST_DIMENSIONS: Final = 8
_ALIGNMENT: Final = "general.alignment"

_BLOCKS: Final = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 16: (256, 66),
    17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136),
    24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54),
    35: (256, 66), 39: (32, 17),
}  # fmt: skip
"""Numbers and bytes of a block, by ggml's number for a tensor's type (`ggml_type`)."""


class Tensors(msgspec.Struct, frozen=True):
    """How many tensors the file holds, and the least bytes that a whole file has."""

    count: int
    file_bytes: int


def file_type(path: Path) -> int | None:
    """llama.cpp's number for what most weights are (`llama_ftype`); None when the header does not say it."""
    try:
        with path.open("rb") as file:
            return _find_file_type(file)
    except _UNREADABLE:
        return None


def metadata(path: Path) -> dict[str, str | int | float | bool]:
    """All that the header says in a number or a short text; what could be read of it before it made no sense."""
    found: dict[str, str | int | float | bool] = {}
    with contextlib.suppress(*_UNREADABLE), path.open("rb") as file:
        _magic, _version, _tensors, count = struct.unpack("<4sIQQ", file.read(24))
        for _ in range(min(count, _MOST_KEYS)):
            name, kind = _text(file).decode("utf-8", "replace"), _number(file, "<I")
            if kind == _STRING:
                text = _text(file)
                if len(text) <= _LONGEST_TEXT_BYTES:
                    found[name] = text.decode("utf-8", "replace")
            elif kind in _FORMS:
                found[name] = _value(file, _FORMS[kind])
            else:
                _skip(file, kind)
    return found


def arrays(path: Path) -> dict[str, tuple[int, int | float | None]]:
    """Each array's length and first number (None for an array of texts): a vocabulary, the heads of each layer."""
    found: dict[str, tuple[int, int | float | None]] = {}
    with contextlib.suppress(*_UNREADABLE), path.open("rb") as file:
        _magic, _version, _tensors, count = struct.unpack("<4sIQQ", file.read(24))
        for _ in range(min(count, _MOST_KEYS)):
            name, kind, start = _text(file).decode("utf-8", "replace"), _number(file, "<I"), file.tell()
            if kind == _ARRAY:
                element, length = _number(file, "<I"), _number(file, "<Q")
                found[name] = (length, _value(file, _FORMS[element]) if element in _FORMS and length else None)
                file.seek(start)
            _skip(file, kind)
    return found


def number_lists(path: Path) -> dict[str, list[int | float]]:
    """Each array of numbers that is not too long, as the heads of each layer."""
    found: dict[str, list[int | float]] = {}
    with contextlib.suppress(*_UNREADABLE), path.open("rb") as file:
        for name, kind in _pairs(file):
            if kind != _ARRAY:
                _skip(file, kind)
                continue
            start = file.tell()
            element, length = _number(file, "<I"), _number(file, "<Q")
            if element in _FORMS and length <= _MOST_LISTED:
                found[name] = [_value(file, _FORMS[element]) for _ in range(length)]
            else:
                file.seek(start)
                _skip(file, kind)
    return found


def tensors(path: Path) -> Tensors | None:
    """The file's tensors; None where the header can't be read to its end."""
    try:
        alignment = int(metadata(path).get(_ALIGNMENT, 32))
        with path.open("rb") as file:
            _magic, _version, count, _keys = struct.unpack("<4sIQQ", file.read(24))
            file.seek(0)
            for _name, kind in _pairs(file):
                _skip(file, kind)
            ends = [_tensor_end(file) for _ in range(min(count, _MOST_TENSORS))]
            header_bytes = file.tell()
    except _UNREADABLE:
        return None
    data_start = -(-header_bytes // alignment) * alignment
    return Tensors(count, data_start + max(ends) if ends else header_bytes)


def _pairs(file: BinaryIO) -> Iterator[tuple[str, int]]:
    """Each key's name and kind; the caller reads or skips its value."""
    _magic, _version, _tensors, count = struct.unpack("<4sIQQ", file.read(24))
    for _ in range(min(count, _MOST_KEYS)):
        yield _text(file).decode("utf-8", "replace"), _number(file, "<I")


def _tensor_end(file: BinaryIO) -> int:
    """Where a tensor's data end, from the start of all data; for a type that is not known, where they begin."""
    _text(file)
    dimensions = _number(file, "<I")
    if dimensions > _MOST_DIMENSIONS:
        raise ValueError("not a tensor")
    numbers = math.prod(_number(file, "<Q") for _ in range(dimensions))
    kind, offset = _number(file, "<I"), _number(file, "<Q")
    block, block_bytes = _BLOCKS.get(kind, (1, 0))
    return offset + numbers // block * block_bytes


def _value(file: BinaryIO, form: str) -> int | float | bool:
    [value] = struct.unpack(form, file.read(struct.calcsize(form)))
    # JSON knows no infinity.
    return value if not isinstance(value, float) or math.isfinite(value) else 0.0


def _find_file_type(file: BinaryIO) -> int | None:
    _magic, _version, _tensors, count = struct.unpack("<4sIQQ", file.read(24))
    for _ in range(count):
        name, kind = _text(file), _number(file, "<I")
        if name == _FILE_TYPE and kind == _UINT32:
            return _number(file, "<I")
        _skip(file, kind)
    return None


def _skip(file: BinaryIO, kind: int) -> None:
    if kind == _STRING:
        _text(file)
    elif kind == _ARRAY:
        element, count = _number(file, "<I"), _number(file, "<Q")
        if element in _SIZES:
            file.seek(count * _SIZES[element], 1)
        else:
            for _ in range(count):
                _skip(file, element)
    else:
        file.seek(_SIZES[kind], 1)


def _text(file: BinaryIO) -> bytes:
    size = _number(file, "<Q")
    if size > _MOST_STRING_BYTES:
        raise ValueError("not a string")
    return file.read(size)


def _number(file: BinaryIO, form: str) -> int:
    return int(struct.unpack(form, file.read(struct.calcsize(form)))[0])
