"""Finds social security numbers of the United States, by the areas and groups that are given out."""

import re
from typing import Final

from contract.redaction.detectors.number_kind import Number
from contract.redaction.detectors.pattern import Pattern
from contract.redaction.detectors.text import Span

_DASH = r"(?:-|\xe2\x80\x91| )"
_NEAR = Pattern(rf"(?:^|[^0-9A-Za-z_.#/$-])[0-8][0-9]{{2}}{_DASH}?[0-9]{{2}}{_DASH}?[0-9]{{4}}(?:$|[^0-9A-Za-z_/-])")
DASHED = r"(?:^|[^0-9A-Za-z_.#/$-])[0-8][0-9]{2}(?:-|\xe2\x80\x91)[0-9]{2}(?:-|\xe2\x80\x91)[0-9]{4}"
_SSN = re.compile(
    rb"(?<![\w.#/$-])(?!000|666|9)\d{3}"
    rb"(?:-(?!00)\d{2}-|\xe2\x80\x91(?!00)\d{2}\xe2\x80\x91|(?P<space> )(?!00)\d{2} |(?P<bare>)(?!00)\d{2})"
    rb"(?!0000)\d{4}(?![\w/-]|\.\d)"
)
CONTEXT = Pattern(r"(?i)\bssn\b|social.{0,3}security|\btin\b|tax.{0,3}id|steuer|sozialversicherung")
_CONTEXT_BYTES = 48
_PRINTED = frozenset((b"078-05-1120", b"219-09-9999"))
"""Numbers from advertisements, which were never valid."""


def _validate(source: bytes, match: "re.Match[bytes]") -> Span | None:
    if match.group() in _PRINTED:
        return None
    is_dashed = match["space"] is None and match["bare"] is None
    # Nine digits without dashes may be anything: they count only near a word that says what they are.
    if is_dashed or CONTEXT.is_in(source[max(0, match.start() - _CONTEXT_BYTES) : match.start()]):
        return Span(match.start(), match.end(), "ssn")
    return None


SSN: Final = Number(_NEAR, _SSN, _validate)
