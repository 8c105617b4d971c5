"""Runs the rows of a batch, several at a time, each from its journal's key to its journal's ending."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

from ops.batch.asking import Asker
from ops.batch.journal import Ending, Journal
from ops.batch.rows import Row, together
from ops.batch.sources import Sources, UnreadableError


class Runner:
    """One run. `options`: fields of every question; `on_ending` is called for each row that ends now."""

    def __init__(
        self,
        asker: Asker,
        journal: Journal,
        sources: Sources,
        options: dict[str, Any],
        on_ending: Callable[[Ending], None],
    ) -> None:
        self._asker = asker
        self._journal = journal
        self._sources = sources
        self._options = options
        self._on_ending = on_ending

    async def run(self, rows: list[Row], at_once: int) -> None:
        """Ask all rows, `at_once` at a time; raises what ends the whole batch."""
        waiting = iter(together(rows))
        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once, len(rows))):
                group.create_task(self._ask_in_turn(waiting))

    async def _ask_in_turn(self, waiting: Iterator[Row]) -> None:
        for row in waiting:
            ending = await self._ask(row)
            await self._journal.ended(row.number, ending)
            self._on_ending(ending)

    async def _ask(self, row: Row) -> Ending:
        try:
            source = await self._sources.fields(row.document)
        except UnreadableError as error:
            return Ending(code="document-unreadable", detail=str(error))
        key = self._journal.key_for(row.number)
        await self._journal.asking(row.number, key)
        return await self._asker.ask({"query": row.question, "class": "batch", **source, **self._options}, key)
