"""A model's shape, and what follows from it: how many tokens a row holds, and how many bytes the rows take.

Knows no file and no library: `model` reads a shape from llama.cpp, `model_files.shape` from a file's header.
"""

from typing import Final

import msgspec

_MOST_CONTEXT_TOKENS: Final = 32_768
"""Models trained for 128 thousand tokens would take many gigabytes for them."""

_LEAST_CONTEXT_TOKENS: Final = 1024
_MEMORY_SHARE: Final = 4
"""The rows take at most this part (1/n) of the free memory, unless their size is set."""

_CELL_BYTES: Final = 2
"""Keys and values are F16 or BF16."""


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What the size of a model's KV cache depends on.

    `kv_heads` is per layer, unless `kv_heads_by_layer` has a number for each layer (0: it has no KV cache). Keys and
    values of one head have `key_length` and `value_length` numbers; 0: the embedding divided by the heads.
    """

    trained_tokens: int
    layers: int
    heads: int
    kv_heads: int
    embedding: int
    key_length: int = 0
    value_length: int = 0
    kv_heads_by_layer: tuple[int, ...] = ()

    @property
    def token_bytes(self) -> int:
        """Bytes of the keys and values of one token in all layers."""
        usual = self.embedding // max(self.heads, 1)
        numbers_per_head = (self.key_length or usual) + (self.value_length or usual)
        heads = sum(self.kv_heads_by_layer) or self.layers * self.kv_heads
        return _CELL_BYTES * heads * numbers_per_head


def row_tokens(shape: Shape, rows: int, wanted: int, free_bytes: int) -> int:
    """How many tokens each row holds: `wanted`, or as many as the model was trained for and the memory has room for."""
    most = shape.trained_tokens
    if wanted:
        return min(wanted, most)
    room = free_bytes // _MEMORY_SHARE // (rows * max(shape.token_bytes, 1))
    return max(min(most, _MOST_CONTEXT_TOKENS, room // 256 * 256), min(most, _LEAST_CONTEXT_TOKENS))
