"""Prints the candidates of a tuning, fastest first, and the choice."""

import sys
from collections.abc import Mapping
from typing import Any, Final

from rich.table import Table

from contract.runtime.terminal import rich_console

_WIDTH_OF_FILES: Final = 130
_COLUMNS: Final = ("candidate", "KL", "prefill tok/s", "decode tok/s", "seconds", "verdict")


def show(choice: Mapping[str, Any], folder: str) -> None:
    """Print the table and the choice, which is stored in `folder`, to stdout."""
    console = rich_console(width=None if sys.stdout.isatty() else _WIDTH_OF_FILES, highlight=False)
    table = Table(title=f"{choice['model']} on {choice['machine']['cpu']}, {choice['machine']['cores']} cores")
    for name in _COLUMNS:
        table.add_column(name, justify="left" if name in ("candidate", "verdict") else "right")
    for tried in choice["tried"]:
        table.add_row(*_row(tried), style="bold" if tried["verdict"] == "chosen" else None)
    console.print(table)
    console.print(
        "Seconds are for 4 documents with 8 questions each; KL is the divergence from the source file, in nats."
    )
    console.print(f"Chosen on {choice['measured_at'][:10]}: {description(choice['chosen'])}. It is stored in {folder}.")
    console.print(
        "`docqa models tune --again` measures again; MODEL_QUANTIZATION=as-is runs the source file unchanged."
    )


def description(candidate: Mapping[str, Any]) -> str:
    """A candidate in a few words."""
    options = candidate["options"]
    parts = [
        candidate["quantization"],
        "flash attention" if options["flash_attention"] else "",
        "unified KV cache" if options["kv_layout"] == "unified" else "",
        f"{options['kv_type']} KV cache" if options["kv_type"] != "f16" else "",
        f"steps of {options['step_tokens']}",
        f"{options['threads']} threads" if options["threads"] != 1 else "1 thread",
        f"{options['gpu_layers']} layers on the GPU" if options["gpu_layers"] else "",
    ]
    return ", ".join(part for part in parts if part)


def _row(tried: Mapping[str, Any]) -> list[str]:
    speed = tried["speed"] or {}
    rates = [f"{speed[name]:,.0f}" if speed else "-" for name in ("prefill_tokens_per_s", "decode_tokens_per_s")]
    kl = "-" if tried["kl"] is None else f"{tried['kl']:.4f}"
    reason = f": {tried['reason']}" if tried["reason"] else ""
    return [
        description(tried["candidate"]),
        kl,
        *rates,
        f"{speed['mix_s']:.1f}" if speed else "-",
        tried["verdict"] + reason,
    ]
