"""Finds the sentences of a text that answer a question: pure, standard library only, offsets in code points."""

from contract.evidence.alignment import Span, cite
from contract.evidence.question import Asked, needs_whole_document
from contract.evidence.quote import quote
from contract.evidence.ranking import Scored, SentenceIndex, rank
from contract.evidence.refusal import is_refusal
from contract.evidence.sentences import Sentence, embedding_text, split_sentences
from contract.evidence.support import ALONE_FROM, Features, answerable, features_of, support, with_answer

__all__ = [
    "ALONE_FROM",
    "Asked",
    "Features",
    "Scored",
    "Sentence",
    "SentenceIndex",
    "Span",
    "answerable",
    "cite",
    "embedding_text",
    "features_of",
    "is_refusal",
    "needs_whole_document",
    "quote",
    "rank",
    "split_sentences",
    "support",
    "with_answer",
]
