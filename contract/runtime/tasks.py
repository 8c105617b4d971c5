"""Ends asyncio tasks reliably. Knows nothing of what they do."""

import asyncio
from typing import Any, Final

_AGAIN_AFTER_S: Final = 0.2


async def end(*tasks: "asyncio.Task[Any] | None", again_after_s: float = _AGAIN_AFTER_S) -> None:
    """Cancel tasks again every `again_after_s` seconds until all have ended, in whatever way.

    Once is not enough: nats-py swallows a cancellation that comes while it flushes, and so does `asyncio.wait_for`
    before Python 3.12 when its awaitable ends in the same moment. A loop that retries for ever then goes on.
    """
    left = {task for task in tasks if task and not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=again_after_s)


async def end_others() -> None:
    """End all tasks of this loop except the current one: for the end of a program.

    `asyncio.run` cancels the remaining tasks once, and waits for ever if one swallowed that.
    """
    await end(*asyncio.all_tasks() - {asyncio.current_task()})
