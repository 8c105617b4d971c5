"""How far forms of the bundled model are from its file, measured once for all machines: it ships with the project.

In nats, as `quality` measures it; `tests/integration/inference_worker/test_tuning.py` measures it again.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias

Said: TypeAlias = tuple[str, bool, str, int]
"""What a form says depends on its quantisation, on flash attention, on the KV cache's type and on layers on a GPU."""

_BUNDLED: Final = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_KL: Final[Mapping[Said, float]] = {
    ("as-is", False, "f16", 0): 0.0,
    ("as-is", False, "bf16", 0): 0.0042,
    ("as-is", True, "f16", 0): 0.0039,
    ("as-is", True, "bf16", 0): 0.0044,
    ("q4_0", False, "f16", 0): 0.3667,
    ("q4_0", False, "bf16", 0): 0.3691,
    ("q4_0", True, "f16", 0): 0.3723,
    ("q4_0", True, "bf16", 0): 0.3713,
    ("q6_k", False, "f16", 0): 0.0159,
    ("q6_k", False, "bf16", 0): 0.0147,
    ("q6_k", True, "f16", 0): 0.0157,
    ("q6_k", True, "bf16", 0): 0.0155,
    ("q8_0", False, "f16", 0): 0.0067,
    ("q8_0", False, "bf16", 0): 0.0068,
    ("q8_0", True, "f16", 0): 0.0066,
    ("q8_0", True, "bf16", 0): 0.0067,
    ("f16", False, "f16", 0): 0.0037,
    ("f16", False, "bf16", 0): 0.0037,
    ("f16", True, "f16", 0): 0.0037,
    ("f16", True, "bf16", 0): 0.0037,
    ("bf16", False, "f16", 0): 0.0038,
    ("bf16", False, "bf16", 0): 0.0039,
    ("bf16", True, "f16", 0): 0.0038,
    ("bf16", True, "bf16", 0): 0.004,
}


def of(given_sha256: str) -> Mapping[Said, float]:
    """What is known of a file's forms: something for the bundled model's, nothing for others'."""
    return _KL if given_sha256 == _BUNDLED else {}
