"""The prompt's wording around a question and its document: the same for the local model and for the proxy."""

from typing import Final

import msgspec

# The wording was chosen among twelve by how many of XQuAD's answers the bundled model's answers hold.
DOCUMENT_SYSTEM: Final = (
    "You answer questions about a document. Quote the words of the document that answer the question, and nothing "
    "else. If the document does not answer it, say that it does not."
)
_DOCUMENT_FORM: Final = "Document:\n{context}"
_QUESTION_FORM: Final = "\n\nQuestion: {query}\nAnswer with the words of the document."
GENERAL_SYSTEM: Final = "You are a helpful assistant. If you do not know the answer to a question, say so."

# Some vocabularies have no token for them, so a text of nothing else would weigh nothing.
_CONTROL_CHARACTERS: Final = {code: " " for code in (*range(0x20), 0x7F) if chr(code) not in "\t\n\r"}


class Wording(msgspec.Struct, frozen=True):
    """The system's words and the user's. The first `document_bytes` of `user` in UTF-8 are the document."""

    system: str
    user: str
    document_bytes: int = 0


def worded(query: str, context: str = "") -> Wording:
    """Document first, then the question: questions on one document begin alike."""
    query, context = clean(query), clean(context)
    if not context.strip():
        return Wording(GENERAL_SYSTEM, query)
    document = _DOCUMENT_FORM.format(context=context)
    return Wording(DOCUMENT_SYSTEM, document + _QUESTION_FORM.format(query=query), len(document.encode()))


def clean(text: str) -> str:
    """The text with blanks in the place of control characters."""
    return text.translate(_CONTROL_CHARACTERS)
