"""How tasks are ended for sure. Knows nothing of what they do."""

import asyncio
from typing import Any, Final

_AGAIN_AFTER_S: Final = 0.2


async def end(*tasks: "asyncio.Task[Any] | None", again_after_s: float = _AGAIN_AFTER_S) -> None:
    """Cancel tasks until they have ended, however they do; `again_after_s` is what each may take for its last steps.

    Once is not enough: nats-py passes over a cancellation that comes while it flushes, and so does `asyncio.wait_for`
    before Python 3.12 where what it waited for ended in the same moment. A loop that tries for ever goes on after it.
    """
    left = {task for task in tasks if task and not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=again_after_s)


async def end_others() -> None:
    """End all tasks of this loop but the one that asks: for the last line of a program.

    `asyncio.run` cancels what is left once, and waits for ever where that was passed over.
    """
    await end(*asyncio.all_tasks() - {asyncio.current_task()})
