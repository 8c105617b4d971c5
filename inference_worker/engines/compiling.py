"""Replaces the model while llama.cpp is still being compiled: quotes need neither.

Knows a file that is there as long as the compiler runs, and nothing of llama.cpp but whether it can be imported.
"""

import asyncio
import importlib
from collections.abc import AsyncGenerator, Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from contract.errors import EngineError
from contract.messages import Query
from inference_worker.engines.base import Completion, Piece, estimated_tokens

MODULE: Final = "llama_cpp"
HINT: Final = (
    "llama.cpp is still being compiled: until it is, questions on documents are answered by their own sentences, and "
    "what the model is to write waits. The model joins by itself."
)
_CONTEXT_TOKENS: Final = 8192
_LOOKS_EVERY_S: Final = 1.0


def is_installed() -> bool:
    """Whether llama.cpp can be imported, by what is on the disk now."""
    importlib.invalidate_caches()
    return find_spec(MODULE) is not None


def is_compiling(compiling: Path | None) -> bool:
    """Whether the file says that llama.cpp is on its way and not there yet."""
    return compiling is not None and compiling.exists() and not is_installed()


class CompilingEngine:
    """Holds what is to be written until llama.cpp is there; then asks to be started again, with the model."""

    stalled_s = 0.0
    tokens_generated = 0

    def __init__(self, compiling: Path, model_name: str, slots: int, context_tokens: int) -> None:
        """`compiling` exists as long as the compiler runs."""
        self._compiling = compiling
        self._closed = asyncio.Event()
        self.model_name = model_name
        self.slots = slots
        self.context_tokens = context_tokens or _CONTEXT_TOKENS
        # The least that a byte takes of a prompt is what the largest vocabularies make of it.
        self.max_prompt_bytes = self.context_tokens * 16

    @property
    def blocker(self) -> str | None:
        """Set once llama.cpp is there: the next start loads the model."""
        if self._compiling.exists() or not is_installed():
            return None
        return "llama.cpp was compiled: the worker starts again, with the model."

    def watch(self, query: Query, owner: str) -> Callable[[], bool]:
        """Never true: nothing is read."""
        return lambda: False

    def needs_slot(self, query: Query) -> bool:
        """Every query that is to be written."""
        return True

    async def count_tokens(self, text: str) -> int:
        """An estimate: the model is not there yet."""
        return estimated_tokens(text)

    async def generate(self, query: Query, owner: str) -> AsyncGenerator[Piece | Completion, None]:
        """Wait; raises EngineError where the compiler ended without success, and once closed."""
        raise await self._reason()
        yield  # type: ignore[unreachable]  # only to be a generator

    async def _reason(self) -> EngineError:
        """Why nothing can be written any more."""
        while not self._closed.is_set():
            if not self._compiling.exists() and not is_installed():
                return EngineError("llama.cpp could not be compiled; `make up` says why. Quotes are still made.")
            await asyncio.sleep(_LOOKS_EVERY_S)
        return EngineError("The engine was stopped.")

    async def forget(self) -> None:
        """It has read nothing."""

    async def close(self) -> None:
        """End what is still waiting."""
        self._closed.set()
