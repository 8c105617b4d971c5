"""A model's shape as its file's header says it."""

from pathlib import Path

from inference_worker.llama.kv_size import Shape
from inference_worker.model_files import gguf_header


def shape_in(path: Path) -> Shape | None:
    """The model's shape; None when the header does not say it."""
    known, lists = gguf_header.metadata(path), gguf_header.number_lists(path)
    architecture = known.get("general.architecture")

    def numbers(name: str) -> list[int]:
        key = f"{architecture}.{name}"
        single = known.get(key, 0)
        return [int(value) for value in lists.get(key, [])] or [int(single) if isinstance(single, (int, float)) else 0]

    # Some models give each layer its own number of heads, and none to layers without attention.
    heads, kv_heads = max(numbers("attention.head_count")), numbers("attention.head_count_kv")
    shape = Shape(
        trained_tokens=max(numbers("context_length")),
        layers=max(numbers("block_count")),
        heads=heads,
        kv_heads=max(kv_heads) or heads,
        embedding=max(numbers("embedding_length")),
        key_length=max(numbers("attention.key_length")),
        value_length=max(numbers("attention.value_length")),
        kv_heads_by_layer=tuple(kv_heads) if len(kv_heads) > 1 else (),
    )
    return shape if shape.trained_tokens and shape.token_bytes else None
