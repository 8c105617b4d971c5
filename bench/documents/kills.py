"""Documents that come in while parts of the system are killed: each ends as one version with all of its text."""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import Callable, Mapping
from typing import Any, Final

from bench.documents import texts
from bench.documents.library import Documents

Pids = Callable[[], Mapping[str, int]]
_CHARACTERS: Final = 4000


async def under_kills(documents: Documents, pids: Pids, seed: int, count: int, kills: int) -> dict[str, Any]:
    """Upload documents while parts are killed: how many were lost, are there twice, or miss some of their text."""
    drawn = random.Random(seed)
    files = {
        f"killed-{number}.txt": f"Document {number}: {texts.text(seed + number, _CHARACTERS)}"
        for number in range(count)
    }
    before = set(await documents.names())
    done = 0

    async def kill() -> None:
        nonlocal done
        while done < kills:
            await asyncio.sleep(drawn.uniform(0.2, 0.8))
            with contextlib.suppress(ProcessLookupError, KeyError):
                part = drawn.choice(("library", "library", "nats", "ingress", "worker"))
                os.kill(pids()[part], signal.SIGKILL)
                done += 1

    killing = asyncio.create_task(kill())
    ids = await documents.bring_all_in((name, text.encode()) for name, text in files.items())
    await killing
    states = await documents.all_settled(ids.values())
    names = [name for name in await documents.names() if name not in before]
    half = [
        name
        for name, one in ids.items()
        if " ".join((await documents.text(one)).split()) != " ".join(files[name].split())
    ]
    return {
        "documents": count,
        "kills": done,
        "lost": count - sum(state["state"] == "ready" for state in states),
        "twice": len(names) - len(set(names)),
        "half": len(half),
    }
