"""Tasks that are to end do end."""

import asyncio
import contextlib

from contract.runtime import tasks


async def test_a_task_that_passes_over_a_cancellation_ends_at_the_next_one() -> None:
    passed_over = 0

    async def stubborn() -> None:
        nonlocal passed_over
        while passed_over < 2:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
            passed_over += 1
        await asyncio.sleep(60)

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await tasks.end(task)
    assert task.cancelled()
    assert passed_over == 2


async def test_a_task_that_failed_is_no_trouble() -> None:
    async def fail() -> None:
        raise ValueError

    task = asyncio.create_task(fail())
    await asyncio.wait({task})
    await tasks.end(task)
    assert isinstance(task.exception(), ValueError)


async def test_whoever_waits_for_the_end_can_be_cancelled() -> None:
    async def never() -> None:
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
            if is_over:
                return

    is_over = False
    task = asyncio.create_task(never())
    await asyncio.sleep(0)
    ending = asyncio.create_task(tasks.end(task))
    await asyncio.sleep(0)
    ending.cancel()
    await asyncio.wait({ending})
    assert ending.cancelled()
    is_over = True
    await tasks.end(task)
