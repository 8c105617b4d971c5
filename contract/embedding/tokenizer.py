"""Texts as the pieces of multilingual-e5-small's vocabulary. Any text has some: none is refused."""

from collections.abc import Sequence
from typing import Final

import sentencepiece

from contract.embedding import protobuf as pb
from contract.embedding.e5_file import Vocabulary

_MAX_CHARS: Final = 16_384
"""Of a text. No text of the model's 512 pieces is longer, but for rare runs of one character."""
_UNIGRAM: Final = 1
_UNKNOWN: Final = 2
_CONTROL: Final = 3


class Tokenizer:
    """SentencePiece's unigram model; any thread may call it."""

    def __init__(self, vocabulary: Vocabulary, window: int) -> None:
        """`window`: the most pieces of a text, its first and last one, which mark begin and end, included."""
        # Not the vocabulary itself: SentencePiece has its own copy of it.
        self._begin, self._end, self._normalized = vocabulary.begin, vocabulary.end, vocabulary.normalized
        self._most = window - 2
        self._pieces = sentencepiece.SentencePieceProcessor(model_proto=_model(vocabulary))

    def encode(self, prefix: str, texts: Sequence[str]) -> list[list[int]]:
        """The pieces of each text with `prefix` before it, cut after the model's window."""
        cleaned = [self._cleaned(prefix + text[:_MAX_CHARS]) for text in texts]
        # A list goes to a thread of SentencePiece's own: for one text, a question, that is most of the time it takes.
        found = self._pieces.encode(cleaned, num_threads=1) if len(cleaned) > 1 else map(self._pieces.encode, cleaned)
        return [[self._begin, *pieces[: self._most], self._end] for pieces in found]

    def _cleaned(self, text: str) -> str:
        # Half of a surrogate pair is a character to Python, and to no one else.
        return text.translate(self._normalized).encode("utf-8", "replace").decode()


def _model(vocabulary: Vocabulary) -> bytes:
    """The vocabulary as SentencePiece reads it: sentencepiece_model.proto of https://github.com/google/sentencepiece."""
    roles = (vocabulary.unknown, vocabulary.begin, vocabulary.end, vocabulary.padding)
    kinds = dict(zip(roles, (_UNKNOWN, _CONTROL, _CONTROL, _CONTROL), strict=True))
    model = bytearray()
    for number, score in enumerate(vocabulary.scores):
        kind = kinds.get(number)
        entry = pb.text(1, vocabulary.piece(number)) + pb.real(2, score) + (pb.integer(3, kind) if kind else b"")
        model += pb.text(1, entry)
    trainer = pb.integer(3, _UNIGRAM)
    for place, number in enumerate(roles):
        trainer += pb.integer(40 + place, number) + pb.text(45 + place, vocabulary.piece(number))
    # Characters were normalized before; only spaces are left to it: one between words, and one before the first.
    normalizer = pb.text(1, "identity") + pb.integer(3, 1) + pb.integer(4, 1) + pb.integer(5, 1)
    return bytes(model) + pb.text(2, trainer) + pb.text(3, normalizer)
