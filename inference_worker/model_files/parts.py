"""Models in several GGUF files, as llama.cpp names them: `NAME-00001-of-00003.gguf`, loaded by the first one."""

import re
from pathlib import Path
from typing import Final

from contract.errors import SettingsError

_PART: Final = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")


def parts_of(path: Path) -> list[Path]:
    """All files of a model, in order; raises SettingsError where one is missing or `path` is not the first."""
    part = _PART.fullmatch(path.name)
    if not part:
        return [path]
    count = int(part["count"])
    parts = [path.with_name(f"{part['stem']}-{number:05}-of-{count:05}.gguf") for number in range(1, count + 1)]
    if int(part["number"]) != 1:
        raise SettingsError(f"MODEL_NAME: {path.name} is one part of a model: name its first part, {parts[0].name}.")
    if missing := [one.name for one in parts if not one.is_file()]:
        raise SettingsError(f"MODEL_NAME: {path.name} is one of {count} parts, and {missing[0]} is missing beside it.")
    return parts


def models_in(folder: Path) -> list[Path]:
    """The models of a folder: of one in several parts only the first file."""
    found = (path for path in folder.glob("*.gguf") if not path.name.startswith("."))
    return sorted(path for path in found if _is_first(path))


def size_of(path: Path) -> int:
    """The bytes of all parts that are there."""
    try:
        return sum(part.stat().st_size for part in parts_of(path))
    except SettingsError:
        return path.stat().st_size


def _is_first(path: Path) -> bool:
    part = _PART.fullmatch(path.name)
    return part is None or int(part["number"]) == 1
