"""A process that spends from the budget with 25 calls at once: `spender.py URL PASSWORD LIMIT`.

Says `spent N` on stdout when a call has cost N tokens, before it is settled, and ends when nothing more fits.
"""

import asyncio
import random
import sys

from contract.bus import Bus, connected
from contract.errors import BudgetExhaustedError
from contract.settings import BusSettings, Secret
from inference_worker.proxy.budget import Budget

CALLS = 25
MOST = 40
"""The most tokens of one call; each costs some of them."""


async def spend(budget: Budget) -> None:
    while True:
        try:
            reservation = await budget.reserve(MOST)
        except BudgetExhaustedError:
            return
        await asyncio.sleep(random.uniform(0, 0.02))
        cost = random.randint(1, MOST)
        print(f"spent {cost}", flush=True)  # noqa: T201  # what the test adds up
        await budget.settle(reservation, cost)


async def main(url: str, password: str, limit: int) -> None:
    settings = BusSettings(nats_url=url, nats_password=Secret(password))
    async with connected(settings, "worker") as bus:
        await _all(bus, limit)


async def _all(bus: Bus, limit: int) -> None:
    budget = Budget(bus.budget, limit)
    await asyncio.gather(*(spend(budget) for _ in range(CALLS)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
