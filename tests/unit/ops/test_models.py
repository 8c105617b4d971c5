"""What the command says of models: candidates in words, and the hint at the start."""

from pathlib import Path
from typing import Any

from ops import welcome
from ops.models.tuning_table import description
from ops.settings import UpSettings

OPTIONS: dict[str, Any] = {
    "flash_attention": False,
    "kv_layout": "split",
    "kv_type": "f16",
    "step_tokens": 256,
    "threads": 2,
    "gpu_layers": 0,
}
FOUND = {"http": "http://127.0.0.1:8000", "uds": "/run/docqa.sock", "data_dir": str(Path("/data"))}


def test_a_candidate_is_told_in_few_words() -> None:
    assert description({"quantization": "q8_0", "options": OPTIONS}) == "q8_0, steps of 256, 2 threads"
    unusual = {
        **OPTIONS,
        "flash_attention": True,
        "kv_layout": "unified",
        "kv_type": "bf16",
        "gpu_layers": 9,
        "threads": 1,
    }
    assert description({"quantization": "as-is", "options": unusual}) == (
        "as-is, flash attention, unified KV cache, bf16 KV cache, steps of 256, 1 thread, 9 layers on the GPU"
    )


def test_docqa_up_says_what_would_make_an_unmeasured_model_faster() -> None:
    worker = {"model": "Tiny", "slots": 8, "hint": "Tiny was not measured: `docqa models tune`."}
    assert worker["hint"] in welcome.text(FOUND, UpSettings(), worker).splitlines()
    assert "tune" not in welcome.text(FOUND, UpSettings(), {**worker, "hint": ""})
