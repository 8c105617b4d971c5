"""How far a worker's tuning of its model is, in words."""

from collections.abc import Mapping
from typing import Any


def in_words(worker: Mapping[str, Any]) -> str:
    """From a worker's announcement; empty where there is nothing to say."""
    tuning = worker.get("tuning")
    if not tuning:
        return ""
    match tuning["state"]:
        case "running":
            return f"tuning the model: {tuning['done']:.0%}, tries {tuning['form']}"
        case "waiting":
            return "tunes the model when idle" + (f", {tuning['done']:.0%} done" if tuning["done"] else "")
        case "done":
            return f"tuned: {tuning['form']} from the next start"
        case "used":
            return f"tuned: runs as {tuning['form']}"
        case "failed":
            return "not tuned: the worker's log says why"
    return ""
