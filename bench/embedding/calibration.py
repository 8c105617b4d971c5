"""`python -m bench.embedding.calibration FILE...`: what contract/embedding/calibration.json is made of.

Runs texts and questions of files in SQuAD's format through the float form of the model, and prints the ranges of its
activations and the mean of its vectors, each file with the same weight. Takes minutes.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import click
import numpy as np

from bench.embedding.float_form import FloatForm
from bench.embedding.texts import articles
from contract.embedding.embedder import Vectors

_TEXTS_A_FILE: Final = 240
_DIGITS: Final = 5


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
def main(files: Sequence[Path]) -> None:
    """Print the constants as JSON."""
    click.echo(json.dumps(calibrated(files)))


def calibrated(files: Sequence[Path]) -> dict[str, Any]:
    """The constants, as `contract.embedding.multilingual.Calibration` reads them."""
    form, ranges, means = FloatForm(), [], []
    for file in files:
        vectors: list[Vectors] = []
        for prefix, text in _sample(file):
            vector, spans = form.measure(prefix, text)
            vectors.append(vector)
            ranges.append(spans)
        means.append(np.mean(vectors, axis=0))
    lows, highs = np.min(ranges, axis=0)[:, 0], np.max(ranges, axis=0)[:, 1]
    return {
        "ranges": [
            [round(float(low), _DIGITS), round(float(high), _DIGITS)] for low, high in zip(lows, highs, strict=True)
        ],
        "centre": [round(float(number), _DIGITS) for number in np.mean(means, axis=0)],
    }


def _sample(file: Path) -> Iterator[tuple[str, str]]:
    """As many passages as questions, evenly drawn."""
    from contract.embedding.multilingual import PASSAGE, QUERY

    read = articles(file)
    passages = [sentence for article in read for sentence in article.sentences]
    questions = [question.text for article in read for question in article.questions]
    for prefix, texts in ((PASSAGE, passages), (QUERY, questions)):
        step = max(1, len(texts) * 2 // _TEXTS_A_FILE)
        yield from ((prefix, text) for text in texts[::step])


if __name__ == "__main__":
    main()
