"""The texts that come with questions: short ones are searched on threads, long ones in a process of their own.

So the event loop, which keeps jobs alive and takes results, never waits for a ranking.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from inference_worker.answering.found import Found
from inference_worker.answering.prepared import KEPT_CHARACTERS, PreparedTexts
from inference_worker.answering.ranking_process import RankingProcess

if TYPE_CHECKING:
    from contract.embedding import Embedders

LONG_CHARACTERS: Final = 65_536
"""From this length on a text goes to the process: its sentences are cut and ranked in Python, which holds a thread."""
_THREADS: Final = 2
"""One may compute a vector, which needs no Python, while the other ranks."""


class Texts:
    """Finds the evidence in texts. As many questions wait at most as the worker holds jobs."""

    def __init__(
        self,
        embedders: "Callable[[], Embedders | None]",
        kept_characters: int = KEPT_CHARACTERS,
        process: RankingProcess | None = None,
    ) -> None:
        """Owns `process` from now on; without one, long texts are searched on the threads too."""
        self._prepared = PreparedTexts(embedders, kept_characters)
        self._process = process
        self._threads = ThreadPoolExecutor(_THREADS, "evidence")

    async def find(self, question: str, text: str) -> Found:
        """The text's sentences that answer the question best. Raises EngineError when the process fails."""
        if known := self._prepared.known(question, text):
            return known
        if self._process and len(text) >= LONG_CHARACTERS:
            return await self._process.find(question, text)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._prepared.find, question, text)

    def warm(self) -> Future[None]:
        """Load the embedders beside, so that the first question does not wait for it. Done once they are loaded."""
        return self._threads.submit(self._prepared.warm)

    async def close(self) -> None:
        """Forget all texts; what is being prepared is finished first."""
        if self._process:
            await self._process.close()
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        self._prepared.clear()
