"""What a password is called in the world's languages, as one pattern over UTF-8: in every case and normal form.

`(?i)` folds ASCII letters only, since patterns see bytes: other letters are written out, small and capital, as one
character and as a letter with its mark (normal forms C and D). A space in a name may also be `_`, `-`, `.` or nothing.
"""

import unicodedata
from pathlib import Path
from typing import Final

_ENGLISH_AND_ALIKE: Final = "pass(?:word|wd|phrase|code|wort|ord)|passwd|pwd"

_LINES: Final = (Path(__file__).parent / "password_words.txt").read_text(encoding="utf-8").splitlines()
WORDS: Final = tuple(word.strip() for line in _LINES for word in line.partition(":")[2].split(","))
"""One word or more for each language in password_words.txt."""

_BETWEEN: Final = r"(?:[ _.-]|\xc2\xa0|%20)?"
_APOSTROPHES: Final = "(?:'|\u2019)"


def _in_all_forms(word: str) -> str:
    return "".join(_forms_of(character) for character in unicodedata.normalize("NFC", word))


def _forms_of(character: str) -> str:
    """A pattern for one character: capital and small, composed, decomposed and without its marks."""
    if character == " ":
        return _BETWEEN
    if character in "'\u2019":
        return _APOSTROPHES
    if character.isascii():
        return character
    cases = {case for case in (character, character.lower(), character.upper()) if len(case) == 1}
    forms = {unicodedata.normalize(form, case) for case in cases for form in ("NFC", "NFD")}
    # Capitals often lose their marks, and so do words typed on a foreign keyboard.
    forms |= {form[0] for form in forms if len(form) > 1 and all(map(unicodedata.combining, form[1:]))}
    return f"(?:{'|'.join(sorted(forms))})" if len(forms) > 1 else character


# Longer words first, since the first alternative that matches is taken.
_SORTED: Final = sorted(WORDS, key=len, reverse=True)
PASSWORD_WORDS: Final = "|".join((_ENGLISH_AND_ALIKE, *map(_in_all_forms, _SORTED)))
