"""Reads a deployment's own rules from a TOML file; one that can't be used is named with its line."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import re2
from msgspec import Meta

from contract.errors import SettingsError
from contract.redaction.detectors.pattern import options
from contract.redaction.detectors.text import Span, Text

Kind = Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{0,39}$")]


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    kind: Kind
    pattern: Annotated[str, Meta(min_length=1)]
    group: int | str = 0


class _File(msgspec.Struct, forbid_unknown_fields=True):
    rule: list[_Entry]


class OwnRule:
    """A kind and what it looks like: RE2's pattern over UTF-8, of which the whole or one group is replaced."""

    def __init__(self, kind: str, pattern: str, group: int | str = 0) -> None:
        """Raises ValueError with what is wrong."""
        chosen = options()
        chosen.encoding = re2.Options.Encoding.UTF8
        self.kind = kind
        self.pattern = pattern
        try:
            self._pattern = re2.compile(pattern.encode(), chosen)
        except re2.error as error:
            reason = error.args[0]
            raise ValueError(reason.decode() if isinstance(reason, bytes) else str(reason)) from None
        if self._pattern.search(b""):
            raise ValueError("the pattern matches an empty text, so it would be found everywhere")
        self._group = self._index_of(group)

    def _index_of(self, group: int | str) -> int:
        names = {name.decode(): index for name, index in self._pattern.groupindex.items()}
        index = names.get(group, -1) if isinstance(group, str) else group
        if not 0 <= index <= self._pattern.groups:
            raise ValueError(f"the pattern has no group {group!r}")
        return index

    def find(self, text: Text) -> Iterator[Span]:
        for match in self._pattern.finditer(text.source):
            start, end = match.span(self._group)
            if start < end:
                yield Span(start, end, self.kind)


def read(path: Path) -> list[OwnRule]:
    """All rules of a file; raises SettingsError with one sentence that names the file and the line."""
    try:
        text = path.read_text(encoding="utf-8")
        entries = msgspec.convert(tomllib.loads(text), _File).rule
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise SettingsError(f"DOCQA_REDACTION_RULES: can't read {path}: {reason}.") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"DOCQA_REDACTION_RULES: {path} is not TOML: {error}.") from None
    except msgspec.ValidationError as error:
        raise _refusal(path, text, _number_in(str(error)), str(error)) from None
    return [_compiled(path, text, number, entry) for number, entry in enumerate(entries)]


def _compiled(path: Path, text: str, number: int, entry: _Entry) -> OwnRule:
    try:
        return OwnRule(entry.kind, entry.pattern, entry.group)
    except ValueError as error:
        raise _refusal(path, text, number, str(error)) from None


def _refusal(path: Path, text: str, number: int | None, reason: str) -> SettingsError:
    line = 1 if number is None else _line_of(text, number)
    return SettingsError(f"DOCQA_REDACTION_RULES: {path}, line {line}: {reason.rstrip('.')}.")


def _number_in(message: str) -> int | None:
    """Which rule msgspec speaks of: "… - at `$.rule[2].kind`"."""
    match = re.search(r"\$\.rule\[(\d+)\]", message)
    return int(match[1]) if match else None


def _line_of(text: str, number: int) -> int:
    """The line of a rule's pattern, or of its head where it has none."""
    seen = -1
    head = 1
    for index, line in enumerate(text.splitlines(), 1):
        if line.strip().startswith("[[rule]]"):
            seen, head = seen + 1, index if seen + 1 == number else head
        elif seen == number and re.match(r"\s*pattern\s*=", line):
            return index
    return head
