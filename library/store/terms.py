"""What a text is indexed as: the terms of `contract.evidence`, so that finding and ranking agree on every word.

The index holds no text: to remove a passage, it must be given the same terms again. So a store notes the
fingerprint of the code that made its terms, and is indexed anew by code with another one.
"""

import hashlib
import re
from functools import cache
from importlib import resources
from typing import Final

from contract.evidence.words import terms_of

FORM: Final = "1"
"""Of what this module adds to the terms."""

_MAKERS: Final = ("scripts.py", "stems.py", "stop_words.py", "words.py")
_NO_LETTER: Final = re.compile(r"[\W_]")


def indexed(text: str) -> str:
    """The terms of a text, parted by spaces, as the index's tokenizer gives them back."""
    return " ".join(map(token_of, terms_of(text)))


def token_of(term: str) -> str:
    """A term without any sign at which the tokenizer would part it: `12.5` is `12_2e_5`."""
    return term if term.isalnum() else _NO_LETTER.sub(lambda sign: f"_{ord(sign[0]):x}_", term)


@cache
def fingerprint() -> str:
    """Of all the code that says which terms a text has."""
    package = resources.files("contract.evidence")
    digest = hashlib.sha256(FORM.encode())
    for name in _MAKERS:
        digest.update((package / name).read_bytes())
    return digest.hexdigest()[:16]
