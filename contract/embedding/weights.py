"""What a graph of BERT's encoder is built from, whatever file holds it."""

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from contract.embedding.embedder import Vectors


class Linear(NamedTuple):
    """A layer's weights, of shape (outputs, inputs), and their bias."""

    weights: Vectors
    bias: Vectors


class Norm(NamedTuple):
    """A layer normalization's scale and shift."""

    scale: Vectors
    shift: Vectors


class Layer(NamedTuple):
    """One of BERT's layers."""

    query: Linear
    key: Linear
    value: Linear
    attention_output: Linear
    attention_norm: Norm
    feed_forward: Linear
    output: Linear
    output_norm: Norm


class Weights(Protocol):
    """A file of weights."""

    width: int
    layers: int
    heads: int
    epsilon: float
    """Of the layer normalizations."""
    positions: Vectors
    """A row for each place in a text, the only type of token added."""

    def words(self, ids: npt.NDArray[np.int64]) -> Vectors:
        """The embeddings of pieces: of the shape of `ids`, and the model's width behind it."""

    def embedding_norm(self) -> Norm:
        """What the sum of words and positions is normalized with."""

    def layer(self, number: int) -> Layer:
        """One of `layers` layers, as float32."""
