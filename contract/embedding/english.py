"""all-MiniLM-L6-v2, for English: twice as fast as the multilingual model, and better. Reads 256 pieces of a text."""

from pathlib import Path
from typing import Final

from contract.embedding.integer import Model, Tokenizer
from contract.embedding.minilm_file import MiniLMFile
from contract.embedding.weights import Weights
from contract.embedding.wordpiece import WordPiece

WINDOW: Final = 256
"""What it was published with; it has places for 512."""


def _load() -> tuple[Weights, Tokenizer]:
    file = MiniLMFile.bundled()
    return file, WordPiece(file.pieces, WINDOW)


ENGLISH: Final = Model(
    name="all-minilm-l6-v2-int8-1",
    passage="",
    query="",
    calibration=Path(__file__).with_name("english.json"),
    load=_load,
)
