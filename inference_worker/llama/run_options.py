"""How a model is run: what the tuning chooses between, and the model is opened with."""

from typing import Literal

import msgspec


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What changes the speed of a model on a machine, and next to nothing of what it says."""

    flash_attention: bool = False
    kv_layout: Literal["split", "unified"] = "split"
    """`split`: each row attends to its own cells only. `unified`: all rows lie in one range of cells."""
    kv_type: Literal["f16", "bf16"] = "f16"
    step_tokens: int = 256
    """The most tokens of one pass through the model."""
    threads: int = 1
    gpu_layers: int = 0
    extra_buffers: bool = True
    """Lay weights out for the processor's widest instructions: AMX, or several rows at a time."""
