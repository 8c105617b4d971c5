"""Reads from a GGUF file's header how its weights are stored, without loading it. See ggml's docs/gguf.md."""

import contextlib
import math
import struct
from pathlib import Path
from typing import BinaryIO, Final

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
_LONGEST_TEXT_BYTES: Final = 1000
"""A chat template is no fact about a file."""
_MOST_STRING_BYTES: Final = 2**26


def file_type(path: Path) -> int | None:
    """llama.cpp's number for what most weights are (`llama_ftype`); None when the header does not say it."""
    try:
        with path.open("rb") as file:
            return _find_file_type(file)
    except (OSError, struct.error, KeyError, ValueError):
        return None


def metadata(path: Path) -> dict[str, str | int | float | bool]:
    """All that the header says in a number or a short text; what could be read of it before it made no sense."""
    found: dict[str, str | int | float | bool] = {}
    with contextlib.suppress(OSError, struct.error, KeyError, ValueError), path.open("rb") as file:
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
    with contextlib.suppress(OSError, struct.error, KeyError, ValueError), path.open("rb") as file:
        _magic, _version, _tensors, count = struct.unpack("<4sIQQ", file.read(24))
        for _ in range(min(count, _MOST_KEYS)):
            name, kind, start = _text(file).decode("utf-8", "replace"), _number(file, "<I"), file.tell()
            if kind == _ARRAY:
                element, length = _number(file, "<I"), _number(file, "<Q")
                found[name] = (length, _value(file, _FORMS[element]) if element in _FORMS and length else None)
                file.seek(start)
            _skip(file, kind)
    return found


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
