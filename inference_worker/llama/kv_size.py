"""A model's shape, and what follows from it: how many tokens a row holds, and how many bytes the rows take.

Knows no file and no library: `model` reads a shape from llama.cpp, `need` from a file's header.
"""

from typing import Final

import msgspec

_MOST_CONTEXT_TOKENS: Final = 32_768
"""Models made for 128 thousand tokens would take many gigabytes for them."""

_LEAST_CONTEXT_TOKENS: Final = 1024
_MEMORY_SHARE: Final = 4
"""The rows take this part of the free memory at most, unless their size is set."""

_CELL_BYTES: Final = 2
"""Cells are F16 or BF16."""


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What the size of a model's cells depends on. `kv_heads` are those of one layer."""

    trained_tokens: int
    layers: int
    heads: int
    kv_heads: int
    embedding: int

    @property
    def token_bytes(self) -> int:
        """What the keys and values of one token take in all layers."""
        return 2 * _CELL_BYTES * self.layers * self.kv_heads * (self.embedding // max(self.heads, 1))


def row_tokens(shape: Shape, rows: int, wanted: int, free_bytes: int) -> int:
    """How many tokens each row holds: `wanted`, or as many as the model was made for and the memory has room for."""
    most = shape.trained_tokens
    if wanted:
        return min(wanted, most)
    room = free_bytes // _MEMORY_SHARE // (rows * max(shape.token_bytes, 1))
    return max(min(most, _MOST_CONTEXT_TOKENS, room // 256 * 256), min(most, _LEAST_CONTEXT_TOKENS))
