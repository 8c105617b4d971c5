"""What of a model's output is its answer: whole characters, and no thoughts. For every engine; knows none."""

import re
from typing import Final

_HIGH: Final = re.compile("[\ud800-\udbff]$")
_ESCAPED: Final = re.compile("[\udc80-\udcff]+")
_ESCAPED_END: Final = re.compile("[\udc80-\udcff]{1,3}$")
_HALVES: Final = re.compile("[\ud800-\udfff]")
_THOUGHT: Final = re.compile(r"\s*<(think|thinking|thought|reasoning)>")
_LONGEST_MARK_CHARS: Final = len("<reasoning>")


class Characters:
    """Joins characters that arrive in two parts: UTF-16's surrogates, or bytes of UTF-8 as `surrogateescape` has them.

    What never becomes a character is U+FFFD.
    """

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        """The whole characters so far."""
        text = _paired(self._held + text)
        end = _HIGH.search(text) or _ESCAPED_END.search(text)
        cut = end.start() if end else len(text)
        self._held = text[cut:]
        return _whole(text[:cut])

    def finish(self) -> str:
        """What is left at the end."""
        held, self._held = self._held, ""
        return _whole(held)


def _paired(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _whole(text: str) -> str:
    if not _HALVES.search(text):
        return text
    escaped = _ESCAPED.sub(lambda found: found[0].encode("utf-8", "surrogateescape").decode("utf-8", "replace"), text)
    return _HALVES.sub("\ufffd", escaped)


class Thoughts:
    """Leaves out what a model thinks before its answer, between `<think>` and `</think>` or words like it."""

    def __init__(self) -> None:
        self._held = ""
        self._end_mark: str | None = None
        self._is_past = False
        self.found = False
        """The output began with thoughts."""

    def feed(self, text: str) -> str:
        """The part of the answer in `text`; held back while it may still be a thought."""
        if self._is_past:
            return text
        self._held += text
        if self._end_mark is None:
            return self._look_for_begin()
        return self._look_for_end()

    def finish(self) -> str:
        """What was held back and is no thought."""
        held, self._held = self._held, ""
        return "" if self._end_mark else self._answer(held)

    def _look_for_begin(self) -> str:
        if found := _THOUGHT.match(self._held):
            self.found = True
            self._end_mark = f"</{found[1]}>"
            self._held = self._held[found.end() :]
            return self._look_for_end()
        begun = self._held.lstrip()
        if not begun or (begun[0] == "<" and ">" not in begun and len(begun) < _LONGEST_MARK_CHARS):
            return ""
        return self._pass_on(self._held)

    def _look_for_end(self) -> str:
        mark = self._end_mark or ""
        _, end, answer = self._held.partition(mark)
        if not end:
            # Enough to find a mark that arrives in parts.
            self._held = self._held[-len(mark) :]
            return ""
        self._held, self._end_mark = answer.lstrip(), None
        return self._look_for_begin() if self._held else ""

    def _pass_on(self, text: str) -> str:
        self._is_past, self._held = True, ""
        return self._answer(text)

    def _answer(self, text: str) -> str:
        return text.lstrip() if self.found else text
