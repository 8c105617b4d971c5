"""The name of a document: what its sender calls it, without what could pick a path, hide or mislead."""

import re
import unicodedata

MAX_NAME_CHARS = 200
_SEPARATORS = re.compile(r"[/\\]+")
# Turn the direction of what follows them: `gpj.exe` shows as `exe.jpg`.
_TURNING = dict.fromkeys((0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)), " ")
_SPACES = re.compile(r"\s+")


def document_name(sent: str, default: str = "document") -> str:
    """The last part of a path: one line of at most 200 characters, its ending kept; `default` where nothing is left."""
    name = _SEPARATORS.split(sent.rstrip("/\\").replace("\x00", ""))[-1].translate(_TURNING)
    name = "".join(" " if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") else char for char in name)
    name = _SPACES.sub(" ", name).strip(" ")
    if not name.strip("."):
        return default
    if len(name) > MAX_NAME_CHARS:
        stem, dot, ending = name.rpartition(".")
        kept = f"{dot}{ending}" if stem and len(ending) <= 10 else ""
        name = name[: MAX_NAME_CHARS - len(kept)] + kept
    return name
