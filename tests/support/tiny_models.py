"""Tiny models of random weights in the files of several architectures, for what depends on a model's family."""

import struct
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

Value = str | int | float | bool | list[int] | list[str]
Sizes = tuple[int, ...]

WIDTH, HEADS, KV_HEADS, HEAD, INNER, LAYERS, EXPERTS = 64, 4, 2, 16, 128, 4, 4
WINDOW: Final = 32
TEMPLATE: Final = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_PRINTED: Final = [*range(33, 127), *range(161, 173), *range(174, 256)]
_CONTROL: Final = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
_ATTENTION: Final[dict[str, Value]] = {
    "attention.head_count": HEADS,
    "attention.head_count_kv": KV_HEADS,
    "feed_forward_length": INNER,
    "rope.dimension_count": HEAD,
}
_SSM: Final[dict[str, Value]] = {
    "ssm.conv_kernel": 4,
    "ssm.inner_size": 2 * WIDTH,
    "ssm.state_size": 8,
    "ssm.time_step_rank": 4,
    "feed_forward_length": 0,
    "attention.head_count": 0,
}
_KEYS: Final[dict[str, dict[str, Value]]] = {
    "llama": _ATTENTION,
    "qwen2": _ATTENTION,
    "qwen3": _ATTENTION | {"attention.key_length": HEAD, "attention.value_length": HEAD},
    "gemma2": _ATTENTION | {"attention.sliding_window": WINDOW},
    "gemma3": _ATTENTION | {"attention.sliding_window": WINDOW},
    "phi3": _ATTENTION | {"rope.scaling.original_context_length": 1024},
    "qwen3moe": _ATTENTION | {"expert_count": EXPERTS, "expert_used_count": 2, "expert_feed_forward_length": 32},
    "mamba": _SSM,
    "lfm2": _ATTENTION | {"attention.head_count_kv": [0, KV_HEADS, 0, KV_HEADS], "shortconv.l_cache": 3},
}
FAMILIES: Final = tuple(_KEYS)


def tiny_model(path: Path, family: str, context_tokens: int = 1024) -> Path:
    """Write a whole model of `family`, some hundred KB; the same for each call."""
    own = {f"{family}.{key}": value for key, value in _KEYS[family].items()}
    layers = 6 if family == "gemma3" else LAYERS
    tokens, kinds = _vocabulary()
    keys: dict[str, Value] = {
        "general.architecture": family,
        "general.name": "tiny",
        f"{family}.context_length": context_tokens,
        f"{family}.embedding_length": WIDTH,
        f"{family}.block_count": layers,
        f"{family}.attention.layer_norm_rms_epsilon": 1e-5,
        **own,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.merges": ["t h"],
        "tokenizer.ggml.bos_token_id": tokens.index("<|im_start|>"),
        "tokenizer.ggml.eos_token_id": tokens.index("<|im_end|>"),
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": TEMPLATE,
    }
    sizes = {"token_embd.weight": (WIDTH, len(tokens)), **_output(family, len(tokens))}
    for layer in range(layers):
        sizes |= {f"blk.{layer}.{name}": shape for name, shape in _layer(family, layer).items()}
    _write(path, keys, sizes)
    return path


def _output(family: str, vocabulary: int) -> dict[str, Sizes]:
    norm = "token_embd_norm.weight" if family == "lfm2" else "output_norm.weight"
    head = {} if family == "gemma2" else {"output.weight": (WIDTH, vocabulary)}
    return {norm: (WIDTH,), **head}


def _layer(family: str, layer: int) -> dict[str, Sizes]:
    if family == "mamba":
        return _mamba()
    names: dict[str, Sizes] = {"attn_norm.weight": (WIDTH,), "ffn_norm.weight": (WIDTH,)}
    if family == "lfm2" and layer % 2 == 0:
        names |= {
            "shortconv.conv.weight": (3, WIDTH),
            "shortconv.in_proj.weight": (WIDTH, 3 * WIDTH),
            "shortconv.out_proj.weight": (WIDTH, WIDTH),
        }
    else:
        names |= _attention(family)
    return names | _forward(family)


def _attention(family: str) -> dict[str, Sizes]:
    wide, narrow = HEADS * HEAD, KV_HEADS * HEAD
    names: dict[str, Sizes] = {"attn_output.weight": (wide, WIDTH)}
    if family == "phi3":
        names["attn_qkv.weight"] = (WIDTH, wide + 2 * narrow)
    else:
        names |= {f"attn_{one}.weight": (WIDTH, wide if one == "q" else narrow) for one in "qkv"}
    if family == "qwen2":
        names |= {f"attn_{one}.bias": (wide if one == "q" else narrow,) for one in "qkv"}
    if family in ("qwen3", "qwen3moe", "gemma3", "lfm2"):
        names |= {"attn_q_norm.weight": (HEAD,), "attn_k_norm.weight": (HEAD,)}
    if family.startswith("gemma"):
        names |= {"post_attention_norm.weight": (WIDTH,), "post_ffw_norm.weight": (WIDTH,)}
    return names


def _forward(family: str) -> dict[str, Sizes]:
    if family == "qwen3moe":
        return {
            "ffn_gate_inp.weight": (WIDTH, EXPERTS),
            "ffn_gate_exps.weight": (WIDTH, 32, EXPERTS),
            "ffn_up_exps.weight": (WIDTH, 32, EXPERTS),
            "ffn_down_exps.weight": (32, WIDTH, EXPERTS),
        }
    if family == "phi3":
        return {"ffn_up.weight": (WIDTH, 2 * INNER), "ffn_down.weight": (INNER, WIDTH)}
    return {
        "ffn_gate.weight": (WIDTH, INNER),
        "ffn_up.weight": (WIDTH, INNER),
        "ffn_down.weight": (INNER, WIDTH),
    }


def _mamba() -> dict[str, Sizes]:
    inner, state, rank = 2 * WIDTH, 8, 4
    return {
        "attn_norm.weight": (WIDTH,),
        "ssm_in.weight": (WIDTH, 2 * inner),
        "ssm_conv1d.weight": (4, inner),
        "ssm_conv1d.bias": (inner,),
        "ssm_x.weight": (inner, rank + 2 * state),
        "ssm_dt.weight": (rank, inner),
        "ssm_dt.bias": (inner,),
        "ssm_a": (state, inner),
        "ssm_d": (inner,),
        "ssm_out.weight": (inner, WIDTH),
    }


def _vocabulary() -> tuple[list[str], list[int]]:
    """Each byte as GPT-2 writes it, one merged token, and control tokens."""
    shown = {byte: chr(byte) for byte in _PRINTED}
    shown |= {byte: chr(256 + number) for number, byte in enumerate(b for b in range(256) if b not in shown)}
    tokens = [shown[byte] for byte in range(256)] + ["th"]
    return [*tokens, *_CONTROL], [1] * len(tokens) + [3] * len(_CONTROL)


def _weights(name: str, shape: Sizes, random: np.random.Generator) -> npt.NDArray[np.float32]:
    backwards = shape[::-1]
    if "norm" in name or name.endswith("ssm_d"):
        return np.ones(backwards, np.float32)
    if name.endswith("ssm_a"):
        return -np.tile(np.arange(1, shape[0] + 1) / 8, (shape[1], 1)).astype(np.float32)
    scale = 0.05 if name == "token_embd.weight" else 2.0 / np.sqrt(shape[0])
    return (random.standard_normal(backwards) * scale).astype(np.float32)


def _write(path: Path, keys: dict[str, Value], sizes: dict[str, Sizes]) -> None:
    random = np.random.default_rng(21)
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(sizes), len(keys))
    head += b"".join(_text(key) + _value(value) for key, value in keys.items())
    data = b""
    for name, shape in sizes.items():
        head += _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, len(data))
        weights = _weights(name, shape, random).tobytes()
        data += weights + bytes(-len(weights) % 32)
    path.write_bytes(head + bytes(-len(head) % 32) + data)


def _text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def _value(value: Value) -> bytes:
    match value:
        case bool():
            return struct.pack("<I?", 7, value)
        case int():
            return struct.pack("<II", 4, value)
        case float():
            return struct.pack("<If", 6, value)
        case str():
            return struct.pack("<I", 8) + _text(value)
    numbers = [one for one in value if isinstance(one, int)]
    if numbers:
        return struct.pack(f"<IIQ{len(numbers)}i", 9, 5, len(numbers), *numbers)
    return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(_text(str(one)) for one in value)
