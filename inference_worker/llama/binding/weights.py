"""A model's weights: loaded from their file, and what the file's header says of them."""

import ctypes
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as lc

from contract.errors import SettingsError
from inference_worker.llama.binding import library
from inference_worker.llama.binding.vocabulary import load_template
from inference_worker.llama.kv_size import Shape
from inference_worker.llama.run_options import RunOptions


def check_vocabulary(path: Path) -> None:
    """Have llama.cpp read all but the weights; raises the SettingsError that loading the model would raise."""
    weights = load_weights(path, RunOptions(), vocabulary_only=True)
    try:
        load_template(weights, path.stem)
    finally:
        lc.llama_model_free(weights)


def load_weights(path: Path, options: RunOptions, *, vocabulary_only: bool = False) -> Any:
    """llama.cpp's handle of the model, which the caller frees; raises SettingsError with llama.cpp's own reason."""
    library.start_library()
    params = lc.llama_model_default_params()
    params.n_gpu_layers = options.gpu_layers
    params.use_extra_bufts = options.extra_buffers
    params.vocab_only = vocabulary_only
    library.last_errors.clear()
    weights = lc.llama_model_load_from_file(bytes(path), params)
    if not weights:
        why = (
            library.last_errors[0].rpartition("error loading model: ")[2].rstrip(".")
            if library.last_errors
            else "the log says why"
        )
        raise SettingsError(f"MODEL_NAME: llama.cpp can't load {path}: {why}. Name another model.")
    return weights


def metadata(weights: Any, key: str) -> str | None:
    """A text or number of the file's header as text; None for a key that it does not have."""
    buffer = ctypes.create_string_buffer(1024)
    length = lc.llama_model_meta_val_str(weights, key.encode(), buffer, len(buffer))
    return buffer.value.decode(errors="replace") if length >= 0 else None


def shape_of(weights: Any) -> Shape:
    """The sizes that the KV cache depends on, as far as llama.cpp hands them on."""
    architecture = metadata(weights, "general.architecture")

    def length(name: str) -> int:
        text = metadata(weights, f"{architecture}.attention.{name}") or ""
        return int(text) if text.isdecimal() else 0

    return Shape(
        trained_tokens=int(lc.llama_model_n_ctx_train(weights)),
        layers=int(lc.llama_model_n_layer(weights)),
        heads=int(lc.llama_model_n_head(weights)),
        kv_heads=int(lc.llama_model_n_head_kv(weights)),
        embedding=int(lc.llama_model_n_embd(weights)),
        key_length=length("key_length"),
        value_length=length("value_length"),
    )


def has_state(weights: Any) -> bool:
    """True for a model whose memory is one state (recurrent): no token can be dropped from it."""
    return bool(lc.llama_model_is_recurrent(weights) or lc.llama_model_is_hybrid(weights))


def window_of(weights: Any) -> int:
    """How many tokens back some of the layers see (a sliding window); 0: all layers see all.

    llama.cpp saves of those layers only what lies in the window at a row's end.
    """
    return int(lc.llama_model_n_swa(weights))
