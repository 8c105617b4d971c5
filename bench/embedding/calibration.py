"""`python -m bench.embedding.calibration MODEL FILE...`: what english.json and multilingual.json are made of.

Runs texts and questions of files in SQuAD's format through the float form of the model, and prints the ranges of its
activations and the mean of its vectors, each file with the same weight. Takes minutes.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click
import msgspec
import numpy as np

from bench.embedding.float_form import FloatForm
from bench.embedding.texts import articles
from contract.embedding.bert import Activations
from contract.embedding.embedder import Vectors
from contract.embedding.english import ENGLISH
from contract.embedding.integer import Calibration, Model
from contract.embedding.multilingual import MULTILINGUAL
from contract.runtime.terminal import echo

_MODELS: Final = {"english": ENGLISH, "multilingual": MULTILINGUAL}
_TEXTS_A_FILE: Final = 240
_DIGITS: Final = 5
_LINEARS_A_LAYER: Final = 4
_DAMPED_LINEARS: Final = (2, 3)
"""The two of the feed-forward network: before the others no channel is far from the rest."""
_TOLERATED: Final = 1.5
"""A channel is damped to so many times what nine of ten channels stay below."""


@click.command()
@click.argument("model", type=click.Choice(list(_MODELS)))
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
def main(model: str, files: Sequence[Path]) -> None:
    """Print the constants as JSON."""
    echo(msgspec.json.encode(calibrated(_MODELS[model], files)).decode())


def calibrated(model: Model, files: Sequence[Path]) -> Calibration:
    """The constants, of all files together."""
    form, means = FloatForm(model), []
    lows: list[Vectors] = []
    highs: list[Vectors] = []
    for file in files:
        vectors: list[Vectors] = []
        for prefix, text in _sample(model, file):
            vector, states = form.measure(prefix, text)
            vectors.append(vector)
            lows = _combined(np.minimum, lows, [state.min(axis=0) for state in states])
            highs = _combined(np.maximum, highs, [state.max(axis=0) for state in states])
        means.append(np.mean(vectors, axis=0))
    activations = [_activations(place, *span) for place, span in enumerate(zip(lows, highs, strict=True))]
    return Calibration(activations, [_rounded(number) for number in np.mean(means, axis=0)])


def _combined(pick: np.ufunc, former: list[Vectors], latest: list[Vectors]) -> list[Vectors]:
    return [pick(*both) for both in zip(former, latest, strict=True)] if former else latest


def _activations(place: int, low: Vectors, high: Vectors) -> Activations:
    """Of the linear layer at `place`, from the least and the greatest number of each channel."""
    largest = np.maximum(high, -low)
    divisors = np.ones_like(largest)
    if place % _LINEARS_A_LAYER in _DAMPED_LINEARS:
        divisors = np.maximum(1, largest / (_TOLERATED * np.quantile(largest, 0.9)))
    damped = {int(channel): _rounded(divisors[channel]) for channel in np.flatnonzero(divisors > 1)}
    return Activations(_rounded((low / divisors).min()), _rounded((high / divisors).max()), damped)


def _rounded(number: float) -> float:
    return round(float(number), _DIGITS)


def _sample(model: Model, file: Path) -> Iterator[tuple[str, str]]:
    """As many passages as questions, evenly drawn."""
    read = articles(file)
    passages = [sentence for article in read for sentence in article.sentences]
    questions = [question.text for article in read for question in article.questions]
    for prefix, texts in ((model.passage, passages), (model.query, questions)):
        step = max(1, len(texts) * 2 // _TEXTS_A_FILE)
        yield from ((prefix, text) for text in texts[::step])


if __name__ == "__main__":
    main()
