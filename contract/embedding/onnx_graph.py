"""Builds a graph that onnxruntime runs, node by node. Knows ONNX's messages, not what is computed.

Source of the field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from contract.embedding import protobuf as pb

_IR_VERSION: Final = 9
_OPSET: Final = 20
_FLOAT: Final = 1
_TYPES: Final = {np.dtype(np.float32): _FLOAT, np.dtype(np.uint8): 2, np.dtype(np.int8): 3,
                 np.dtype(np.int32): 6, np.dtype(np.int64): 7}  # fmt: skip
_ATTRIBUTE_FLOAT: Final = 1
_ATTRIBUTE_INTEGER: Final = 2
MICROSOFT: Final = "com.microsoft"
"""The domain of the operators that onnxruntime has beyond the standard's."""


class Graph:
    """Grows by its nodes; each returns the name of what it computes, which others take as their input."""

    def __init__(self) -> None:
        self._nodes: list[bytes] = []
        self._constants: list[bytes] = []
        self._names = 0

    def constant(self, array: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        """Numbers that are part of the model."""
        name, values = self._name(), np.ascontiguousarray(array, dtype)
        dimensions = b"".join(pb.integer(1, size) for size in np.shape(array))
        tensor = dimensions + pb.integer(2, _TYPES[values.dtype]) + pb.text(8, name) + pb.text(9, values.tobytes())
        self._constants.append(tensor)
        return name

    def node(self, operator: str, *inputs: str, domain: str = "", **attributes: float) -> str:
        """An operator with one output; an empty name means an input that is not given."""
        (output,) = self.nodes(operator, *inputs, outputs=1, domain=domain, **attributes)
        return output

    def nodes(self, operator: str, *inputs: str, outputs: int, domain: str = "", **attributes: float) -> list[str]:
        """An operator with several outputs."""
        names = [self._name() for _ in range(outputs)]
        encoded = pb.texts(1, inputs) + pb.texts(2, names) + pb.text(4, operator)
        encoded += pb.texts(5, (_attribute(name, value) for name, value in attributes.items()))
        self._nodes.append(encoded + pb.text(7, domain))
        return names

    def model(self, inputs: Sequence[bytes], outputs: Sequence[bytes]) -> bytes:
        """The whole model, as onnxruntime loads it; inputs and outputs come from `tensor`."""
        graph = pb.texts(1, self._nodes) + pb.text(2, "model") + pb.texts(5, self._constants)
        graph += pb.texts(11, inputs) + pb.texts(12, outputs)
        opsets = [pb.text(1, "") + pb.integer(2, _OPSET), pb.text(1, MICROSOFT) + pb.integer(2, 1)]
        return pb.integer(1, _IR_VERSION) + pb.text(7, graph) + pb.texts(8, opsets)

    def _name(self) -> str:
        self._names += 1
        return f"n{self._names}"


def tensor(name: str, dtype: npt.DTypeLike, *dimensions: str | int) -> bytes:
    """An input or output; a dimension with a name may have any size."""
    shape = (pb.integer(1, size) if isinstance(size, int) else pb.text(2, size) for size in dimensions)
    kind = pb.text(1, pb.integer(1, _TYPES[np.dtype(dtype)]) + pb.text(2, pb.texts(1, shape)))
    return pb.text(1, name) + pb.text(2, kind)


def _attribute(name: str, value: float) -> bytes:
    if isinstance(value, int):
        return pb.text(1, name) + pb.integer(3, value) + pb.integer(20, _ATTRIBUTE_INTEGER)
    return pb.text(1, name) + pb.real(2, value) + pb.integer(20, _ATTRIBUTE_FLOAT)
