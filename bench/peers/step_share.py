"""The share of the engine's steps that is spent outside llama.cpp, from the worker's metrics."""

import re
from typing import Final

import msgspec

from bench.harness.errors import BenchError
from bench.harness.http_client import Connections, get

_WITHIN_S: Final = 5.0
_COUNTER: Final = re.compile(rb"^docqa_step_(library_)?seconds_total (\S+)$", re.MULTILINE)


class Steps(msgspec.Struct, frozen=True):
    """Seconds since the worker's start: in steps, and of these inside of llama.cpp."""

    step_s: float
    library_s: float

    def own_share_since(self, before: "Steps") -> float:
        """The share of the steps since then that was not spent in llama.cpp; 0 without a step."""
        step_s, library_s = self.step_s - before.step_s, self.library_s - before.library_s
        return 1 - library_s / step_s if step_s else 0.0


async def probe(address: str) -> Steps:
    """The counters of the worker whose metrics are at `address` (HOST:PORT); raises BenchError."""
    connections = Connections(address)
    try:
        response = await connections.exchange(get("/metrics"), _WITHIN_S)
    except (OSError, EOFError, ValueError, TimeoutError) as error:
        raise BenchError(f"the worker's metrics cannot be read: {error}.") from None
    finally:
        connections.close()
    return read(response.body)


def read(text: bytes) -> Steps:
    """The two counters in Prometheus' text; raises BenchError if they are missing."""
    found = {bool(library): float(value) for library, value in _COUNTER.findall(text)}
    if len(found) != 2:
        raise BenchError("the worker does not count its steps.")
    return Steps(found[False], found[True])
