"""Checks the queue's size against the slots and against the queue of a running bus."""

from contract.settings import QUEUE_PER_SLOT
from ops.preflight.context import Context
from ops.preflight.finding import Finding, ok, warning

_PER_SLOT = 2
"""Each worker holds up to twice as many jobs as it has slots."""


def check(context: Context) -> list[Finding]:
    if not context.slots:
        return []
    wanted, in_force = context.settings.max_queue_size, context.health.get("queue_capacity")
    if wanted is None:
        # The bus chose it at its start, from its own DOCQA_SLOTS.
        return [check_size(in_force or QUEUE_PER_SLOT * context.slots, context.slots)]
    return [check_size(wanted, context.slots), *(check_running(wanted, in_force) if in_force else [])]


def check_size(queue_size: int, slots: int) -> Finding:
    """Running jobs count too: a queue near the number of slots fills up under a load that the model can handle."""
    detail = f"MAX_QUEUE_SIZE is {queue_size} for {slots} slots"
    if queue_size >= _PER_SLOT * slots:
        return ok("queue", f"{detail}: {queue_size - slots} can wait")
    room = f"only {queue_size - slots} can wait" if queue_size > slots else "none can wait"
    return warning(
        "queue",
        f"{detail}: {room}, and a healthy load looks full",
        f"Set MAX_QUEUE_SIZE to {_PER_SLOT * slots} or more, or DOCQA_SLOTS to {max(queue_size // _PER_SLOT, 1)}.",
    )


def check_running(queue_size: int, capacity: int) -> list[Finding]:
    if capacity == queue_size:
        return []
    return [
        warning(
            "queue in force",
            f"the running bus takes {capacity}, the settings say {queue_size}",
            "Restart `docqa nats` (or `docqa up`) with these settings, or correct the settings.",
        )
    ]
