"""The options that a model is opened with, and that tuning chooses between."""

from typing import Literal

import msgspec


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options that change a model's speed on a machine, and next to nothing of its answers."""

    flash_attention: bool = False
    kv_layout: Literal["split", "unified"] = "split"
    """`split`: each row has its own part of the KV cache. `unified`: all rows share one."""
    kv_type: Literal["f16", "bf16"] = "f16"
    step_tokens: int = 256
    """The most tokens of one pass through the model."""
    threads: int = 1
    gpu_layers: int = 0
    extra_buffers: bool = True
    """Lay weights out for the processor's widest instructions: AMX, or several rows at a time."""
