"""The tokens of one step in the form that llama.cpp reads."""

import ctypes

import llama_cpp.llama_cpp as lc
import numpy as np

from inference_worker.llama.sequence import Span


class StepBatch:
    """llama.cpp's arrays for one step, in memory of our own that is written by slices."""

    def __init__(self, size: int) -> None:
        self._tokens = np.zeros(size, np.int32)
        self._positions = np.zeros(size, np.int32)
        self._rows = np.zeros(size, np.int32)
        self._row_counts = np.ones(size, np.int32)
        self._wants_logits = np.zeros(size, np.int8)
        address = self._rows.ctypes.data
        # One row for each token: an array of pointers into `_rows`.
        self._row_pointers = np.arange(address, address + 4 * size, 4, dtype=np.uintp)
        self.raw = lc.llama_batch(
            n_tokens=0,
            token=self._tokens.ctypes.data_as(ctypes.POINTER(lc.llama_token)),
            embd=None,
            pos=self._positions.ctypes.data_as(ctypes.POINTER(lc.llama_pos)),
            n_seq_id=self._row_counts.ctypes.data_as(ctypes.POINTER(ctypes.c_int32)),
            seq_id=self._row_pointers.ctypes.data_as(ctypes.POINTER(ctypes.POINTER(lc.llama_seq_id))),
            logits=self._wants_logits.ctypes.data_as(ctypes.POINTER(ctypes.c_int8)),
        )

    def fill(self, spans: list[Span]) -> list[int]:
        """Lay the spans one after another; return the index of each one's last token."""
        start, indices = 0, []
        for span in spans:
            end = start + len(span.tokens)
            self._tokens[start:end] = span.tokens
            self._positions[start:end] = range(span.position, span.position + len(span.tokens))
            self._rows[start:end] = span.row
            self._wants_logits[start:end] = 0
            self._wants_logits[end - 1] = span.wants_logits
            indices.append(end - 1)
            start = end
        self.raw.n_tokens = start
        return indices

    def wants_all_logits(self, count: int) -> None:
        self._wants_logits[:count] = 1
