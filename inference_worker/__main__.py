"""Run the worker: load the model, connect to the bus, take jobs until a signal, drain."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import structlog
import uvloop
from uuid_utils import uuid7

from contract import topology
from contract.bus import Bus
from contract.runtime import tasks
from contract.runtime.files import write_atomically
from contract.runtime.metrics import BUS_CONNECTED
from contract.runtime.startup import prepared, run_service
from contract.runtime.status_server import StatusServer
from contract.runtime.systemd import Notifier
from contract.runtime.tracing import Tracer
from inference_worker.answering.grounded import Grounded
from inference_worker.backends import answers_hint_for, expected_pace, hint_for, needs_tuning, open_backend, open_tuned
from inference_worker.engines.base import Engine
from inference_worker.engines.replaceable import Replaceable
from inference_worker.jobs.erasures import Erasures
from inference_worker.jobs.heartbeat import Heartbeat
from inference_worker.jobs.kept_pace import KeptPace
from inference_worker.jobs.read_results import ReadResults
from inference_worker.jobs.usage_ledger import UsageLedger
from inference_worker.jobs.worker import Worker
from inference_worker.monitoring.watchdog import Health, Watchdog
from inference_worker.settings import WorkerSettings
from inference_worker.tuning.idle import IdleTuning

ROLE = "worker"
_LOOPS_END_WITHIN_S: Final = 3.0
"""A loop that pulls takes up to two seconds for its end; one that takes longer has passed over its cancellation."""

log = structlog.get_logger(__name__)


def main() -> int:
    """Exit status: 0 after a drain, 2 with a sentence when it can't start, 71 when it must be started again."""
    # OpenMP reads these once, when llama.cpp is loaded. Left alone, its threads spin at the end of every operation, and
    # wait for each other ten times longer as soon as another process wants a core; without any spinning, one answer
    # is made at less than half the speed. A thousand rounds are some microseconds.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    return run_service(ROLE, "Answer jobs from the bus.", lambda ready_file: run(os.environ, ready_file))


def run(environment: Mapping[str, str], ready_file: Path | None) -> None:
    """Work until SIGTERM or SIGINT, then drain."""
    notifier = Notifier.from_environment(environment, os.getpid())
    with prepared(WorkerSettings, ROLE, environment) as (loaded, tracer):
        uvloop.run(work(loaded, ready_file, notifier, tracer))


async def work(loaded: WorkerSettings, ready_file: Path | None, notifier: Notifier, tracer: Tracer) -> None:
    """Serve the worker's status, from before its model is loaded until its last job has ended."""
    bus = Bus()
    health = Health(bus)
    BUS_CONNECTED.set_function(lambda: bus.is_connected)
    with StatusServer(loaded.metrics_addr, health.not_ready_reason) as status:

        def on_ready(engine: Engine) -> None:
            notifier.ready()
            if ready_file:
                described = {**describe(engine, status.address), "hint": _hints(loaded)}
                write_atomically(ready_file, json.dumps(described).encode())

        await answer_jobs(loaded, bus, health, notifier, tracer, on_ready)


def _hints(loaded: WorkerSettings) -> str:
    """What an operator could still measure, a line each."""
    return "\n".join(filter(None, (hint_for(loaded), answers_hint_for(loaded))))


async def answer_jobs(
    loaded: WorkerSettings,
    bus: Bus,
    health: Health,
    notifier: Notifier,
    tracer: Tracer,
    on_ready: Callable[[Engine], None],
) -> None:
    """Load, serve, drain, close: each step once, downward. The watchdog ends a worker whose model stalls."""
    stop = asyncio.Event()
    ledger = UsageLedger(bus.usage)
    engine = await asyncio.to_thread(open_backend, loaded, bus, ledger.lose)
    kept_pace = KeptPace(loaded.data_dir / "pace.json", engine.model_name, engine.slots)
    expected = kept_pace.read() or await asyncio.to_thread(expected_pace, loaded)
    worker = Worker(bus, engine, loaded, tracer, ledger.count, expected)
    tuning = tuning_of(worker, engine, loaded)
    watchdog = health.watchdog = Watchdog(engine, lambda: worker.started, loaded.stall_s, notifier)
    worker_id = str(uuid7())
    erasures = Erasures(bus, engine, worker_id)
    heartbeat = Heartbeat(
        bus,
        engine,
        worker,
        worker_id,
        tuning=lambda: tuning.state if tuning else None,
        model_error=lambda: engine.blocker or watchdog.not_ready_reason(time.monotonic()),
        kept_pace=kept_pace,
    )
    listen_for_signals(stop, worker)
    watching = asyncio.create_task(watchdog.run(), name="watch")
    pulling = asyncio.create_task(serve_jobs(bus, worker, heartbeat, erasures, loaded, on_ready), name="serve")
    beside = asyncio.create_task(tune(tuning), name="tune")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    await asyncio.wait([pulling, stopping, watching, beside], return_when=asyncio.FIRST_COMPLETED)
    health.is_stopping = True
    notifier.stopping()
    await tasks.end(beside)
    await tasks.end(pulling, again_after_s=4 * _LOOPS_END_WITHIN_S)
    log.info("draining", held=worker.held, running=worker.busy)
    # A model whose file changed gives no answers worth waiting for.
    await worker.consumer.drain(0 if engine.blocker else loaded.drain_s)
    log.info("drained")
    await heartbeat.announce(leaving=True)
    # What may still write to the bus is closed before it.
    await engine.close()
    await ledger.close()
    await bus.close()
    for task in (watching, beside):
        if task.done() and not task.cancelled():
            task.result()
    await tasks.end_others()
    if not stop.is_set():
        pulling.result()


def tuning_of(worker: Worker, engine: Grounded, loaded: WorkerSettings) -> IdleTuning | None:
    """What measures the model while the worker is idle, where it was not measured on this machine."""
    if not needs_tuning(loaded):
        return None
    writer = engine.writer
    take_over = partial(writer.replace, partial(open_tuned, loaded)) if isinstance(writer, Replaceable) else None
    return IdleTuning(lambda: not worker.held, take_over=take_over)


async def tune(tuning: IdleTuning | None) -> None:
    """Tune the model, and never return: only an engine that is gone for good ends the worker."""
    if tuning:
        await tuning.run()
    await asyncio.Event().wait()


async def serve_jobs(
    bus: Bus,
    worker: Worker,
    heartbeat: Heartbeat,
    erasures: Erasures,
    loaded: WorkerSettings,
    on_ready: Callable[[Engine], None],
) -> None:
    """Connect, then pull and announce until cancelled. One loop that ends, ends the others; raises what ended it."""

    async def on_reconnect() -> None:
        await worker.consumer.forget_pulls()
        await erasures.catch_up()

    await bus.connect(loaded, ROLE, on_reconnect=on_reconnect)
    await erasures.listen()
    await bus.clock.measure()
    await bus.subscribe(topology.CANCEL_SUBJECTS, worker.on_cancel)
    await bus.subscribe(topology.WORKER_SUBJECTS, heartbeat.others.on_message)
    await bus.subscribe(topology.ROLL_CALL_SUBJECT, heartbeat.answer_roll_call)
    loops = [
        asyncio.create_task(worker.consumer.run(), name="pull jobs"),
        asyncio.create_task(heartbeat.run(), name="announce"),
        asyncio.create_task(heartbeat.balance(), name="balance"),
        asyncio.create_task(worker.sweeper.run(), name="sweep"),
        asyncio.create_task(ReadResults(bus).run(), name="make room for results"),
        asyncio.create_task(bus.watch(), name="watch the bus"),
        asyncio.create_task(bus.clock.keep_measuring(), name="measure the bus's clock"),
    ]
    # No TaskGroup: it cancels once only, and nats-py passes over a cancellation that comes while it flushes.
    try:
        log.info("worker ready", model=heartbeat.engine.model_name, slots=heartbeat.engine.slots)
        on_ready(heartbeat.engine)
        await asyncio.wait(loops, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await tasks.end(*loops, again_after_s=_LOOPS_END_WITHIN_S)
    for loop in loops:
        if not loop.cancelled():
            loop.result()


def listen_for_signals(stop: asyncio.Event, worker: Worker) -> None:
    """The first signal drains, the second one hurries the drain."""

    def on_signal() -> None:
        if stop.is_set():
            worker.consumer.hurry()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)


def describe(engine: Engine, metrics_address: str) -> dict[str, object]:
    """The content of the ready file."""
    return {"pid": os.getpid(), "metrics": metrics_address, "model": engine.model_name, "slots": engine.slots}


if __name__ == "__main__":
    sys.exit(main())
