"""The queue's bound against the slots, and against what a running bus has."""

from ops.preflight.context import Scene
from ops.preflight.finding import Finding, ok, warning

_PER_SLOT = 2
"""Each worker holds as many jobs as it has slots and as many again to choose from."""


def check(scene: Scene) -> list[Finding]:
    if not scene.slots:
        return []
    found = [judge_size(scene.settings.max_queue_size, scene.slots)]
    if capacity := scene.health.get("queue_capacity"):
        found += judge_running(scene.settings.max_queue_size, capacity)
    return found


def judge_size(queue_size: int, slots: int) -> Finding:
    """Jobs that run count too: a bound near the slots is full under a load that the model could carry."""
    detail = f"MAX_QUEUE_SIZE is {queue_size} for {slots} slots"
    if queue_size >= _PER_SLOT * slots:
        return ok("queue", f"{detail}: {queue_size - slots} can wait")
    room = f"only {queue_size - slots} can wait" if queue_size > slots else "nobody can wait"
    return warning(
        "queue",
        f"{detail}: {room}, and a healthy load looks full",
        f"Set MAX_QUEUE_SIZE to {_PER_SLOT * slots} or more, or DOCQA_SLOTS to {max(queue_size // _PER_SLOT, 1)}.",
    )


def judge_running(queue_size: int, capacity: int) -> list[Finding]:
    if capacity == queue_size:
        return []
    return [
        warning(
            "queue in force",
            f"the running bus takes {capacity}, the settings say {queue_size}",
            "Start `docqa nats` (or `docqa up`) again with these settings, or mend the settings.",
        )
    ]
