"""BERT's encoder as a graph of onnxruntime's operators, computed in whole numbers of 8 bits.

Weights have a scale for each output, activations a fixed range for each layer, found once by running texts through the
float form (`bench/embedding/`): so a vector does not depend on what else is in its batch, as with ranges of the moment.
The few channels that are far larger than all others are made smaller first, and their weights larger, as in SmoothQuant
(https://arxiv.org/abs/2211.10438): the range would else be theirs, and too coarse for the others.
"""

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np

from contract.embedding.onnx_graph import MICROSOFT, Graph, tensor
from contract.embedding.weights import Layer, Linear, Norm, Weights

_STEPS: Final = 127
_STEPS_WITHOUT_VNNI: Final = 63
"""Without these instructions x86 adds up pairs of products in 16 bits, where 255 * 127 twice would overflow."""
_CPU_INFO: Final = Path("/proc/cpuinfo")


class Activations(msgspec.Struct, frozen=True):
    """What goes into a linear layer."""

    low: float
    high: float
    """The least and the greatest number, once damped."""
    damped: dict[int, float]
    """By what the numbers of a few channels are divided."""


class Encoder(NamedTuple):
    """A model that onnxruntime loads. Inputs: `words` (batch, tokens, width), `mask` (batch, tokens) of 1 and 0."""

    model: bytes
    vectors: str
    """The output: the mean of the tokens' last states, of length 1."""
    taps: list[str]
    """The inputs of the linear layers, where they were asked for."""


def float_encoder(file: Weights) -> Encoder:
    """In float32, with all that goes into linear layers among the outputs: to measure ranges and losses with."""
    return _Builder(file, None).encoder()


def integer_encoder(file: Weights, activations: Sequence[Activations], cpu_info: Path = _CPU_INFO) -> Encoder:
    """In 8-bit integers; four activations a layer, in the order of `Encoder.taps`."""
    return _Builder(file, activations, weight_steps(cpu_info)).encoder()


def weight_steps(cpu_info: Path = _CPU_INFO) -> int:
    """The largest quantized value of a weight on this processor."""
    if platform.machine() not in {"x86_64", "AMD64"}:
        return _STEPS
    try:
        flags = cpu_info.read_text(encoding="ascii", errors="replace")
    except OSError:
        flags = ""
    return _STEPS if "avx512_vnni" in flags or "avx_vnni" in flags else _STEPS_WITHOUT_VNNI


class _Builder:
    def __init__(self, file: Weights, activations: Sequence[Activations] | None, steps: int = _STEPS) -> None:
        self._file = file
        self._activations = activations
        self._steps = steps
        self._graph = Graph()
        self._taps: list[str] = []
        self._mean = self._graph.constant(np.full((file.width, 1), 1 / file.width))
        self._epsilon = self._graph.constant(file.epsilon)

    def encoder(self) -> Encoder:
        state = self._norm("words", self._file.embedding_norm())
        for number in range(self._file.layers):
            state = self._layer(state, self._file.layer(number))
        vectors = self._pooled(state)
        width, taps = self._file.width, [] if self._activations else self._taps
        inputs = [tensor("words", np.float32, "batch", "tokens", width), tensor("mask", np.int32, "batch", "tokens")]
        outputs = [tensor(vectors, np.float32, "batch", width)]
        outputs += [tensor(tap, np.float32, "batch", "tokens", f"width {tap}") for tap in taps]
        return Encoder(self._graph.model(inputs, outputs), vectors, taps)

    def _layer(self, state: str, layer: Layer) -> str:
        attended = self._linear(self._attention(state, layer), layer.attention_output)
        state = self._norm(self._graph.node("Add", state, attended), layer.attention_norm)
        inner = self._graph.node("Gelu", self._linear(state, layer.feed_forward), domain=MICROSOFT)
        return self._norm(self._graph.node("Add", state, self._linear(inner, layer.output)), layer.output_norm)

    def _attention(self, state: str, layer: Layer) -> str:
        three = (layer.query, layer.key, layer.value)
        weights, bias = (np.concatenate(parts) for parts in zip(*three, strict=True))
        joined = self._linear(state, Linear(weights, bias))
        query, key, value = self._graph.nodes("Split", joined, outputs=3, axis=2, num_outputs=3)
        heads = self._file.heads
        return self._graph.node("MultiHeadAttention", query, key, value, "", "mask", domain=MICROSOFT, num_heads=heads)

    def _linear(self, state: str, linear: Linear) -> str:
        self._taps.append(state)
        if self._activations is None:
            product = self._graph.node("MatMul", state, self._graph.constant(linear.weights.T))
            return self._graph.node("Add", product, self._graph.constant(linear.bias))
        return self._integer_linear(state, linear, self._activations[len(self._taps) - 1])

    def _integer_linear(self, state: str, linear: Linear, expected: Activations) -> str:
        graph, weights = self._graph, linear.weights
        if expected.damped:
            divisors = np.ones(weights.shape[1], np.float32)
            divisors[list(expected.damped)] = list(expected.damped.values())
            state, weights = graph.node("Mul", state, graph.constant(1 / divisors)), weights * divisors
        low, high = min(expected.low, 0.0), max(expected.high, 0.0)
        step, scales = (high - low) / 255, np.abs(weights).max(axis=1) / self._steps
        scale, zero = graph.constant(step), graph.constant(round(-low / step), np.uint8)
        quantized = graph.node("QuantizeLinear", state, scale, zero)
        whole = graph.constant(np.rint(weights / scales[:, None]).T, np.int8)
        bias = graph.constant(linear.bias)
        return graph.node(
            "MatMulIntegerToFloat", quantized, whole, scale, graph.constant(scales), zero, "", bias, domain=MICROSOFT
        )

    def _norm(self, state: str, norm: Norm) -> str:
        """Layer normalization of simple operators: onnxruntime's own one takes four times as long here."""
        graph = self._graph
        centred = graph.node("Sub", state, graph.node("MatMul", state, self._mean))
        variance = graph.node("MatMul", graph.node("Mul", centred, centred), self._mean)
        deviation = graph.node("Sqrt", graph.node("Add", variance, self._epsilon))
        scaled = graph.node("Mul", graph.node("Div", centred, deviation), graph.constant(norm.scale))
        return graph.node("Add", scaled, graph.constant(norm.shift))

    def _pooled(self, state: str) -> str:
        graph, middle = self._graph, self._graph.constant([1], np.int64)
        weights = graph.node("Unsqueeze", graph.node("Cast", "mask", to=1), middle)
        total = graph.node("Squeeze", graph.node("MatMul", weights, state), middle)
        return graph.node("LpNormalization", total, axis=1, p=2)
