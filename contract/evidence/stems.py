"""Stems of folded words: Porter's for Latin letters, light ones (longest known ending off) for other alphabets.

M. F. Porter, "An algorithm for suffix stripping", Program 14(3), 1980; the light ones follow the tables of
Dolamic and Savoy for Russian, and Larkey, Ballesteros and Connell, "Light stemming for Arabic", 2007.
"""

import re
from itertools import pairwise
from typing import Final

_IRREGULAR: Final = {
    "men": "man", "women": "woman", "children": "child", "feet": "foot", "wrote": "write", "written": "write",
    "began": "begin", "begun": "begin", "became": "become", "won": "win", "led": "lead", "held": "hold",
    "made": "make", "paid": "pay", "said": "say", "sold": "sell", "built": "build", "bought": "buy",
    "brought": "bring", "gave": "give", "given": "give", "took": "take", "taken": "take", "went": "go", "gone": "go",
    "came": "come", "found": "find", "kept": "keep", "lost": "lose", "sent": "send",
    "spent": "spend", "met": "meet", "fought": "fight", "chose": "choose", "chosen": "choose", "grew": "grow",
    "grown": "grow", "knew": "know", "known": "know", "dying": "die", "lying": "lie", "thought": "think",
    "taught": "teach", "caught": "catch", "drawn": "draw", "drew": "draw", "fell": "fall", "fallen": "fall",
    "felt": "feel", "shown": "show", "struck": "strike", "wore": "wear", "worn": "wear", "broke": "break",
    "broken": "break", "spoke": "speak", "spoken": "speak", "stood": "stand", "understood": "understand",
}  # fmt: skip
_DOUBLE: Final = {
    "ational": "ate", "tional": "tion", "enci": "ence", "anci": "ance", "izer": "ize", "bli": "ble", "alli": "al",
    "entli": "ent", "eli": "e", "ousli": "ous", "ization": "ize", "ation": "ate", "ator": "ate", "alism": "al",
    "iveness": "ive", "fulness": "ful", "ousness": "ous", "aliti": "al", "iviti": "ive", "biliti": "ble", "logi": "log",
}  # fmt: skip
_TRIPLE: Final = {
    "icate": "ic", "ative": "", "alize": "al", "iciti": "ic", "ical": "ic", "ful": "", "ness": "",
}  # fmt: skip
_LAST: Final = (
    "ement", "ance", "ence", "able", "ible", "ment", "ant", "ent", "ism", "ate", "iti", "ous", "ive", "ize", "ion",
    "al", "er", "ic", "ou",
)  # fmt: skip
_RUSSIAN: Final = re.compile(
    "(?:иями|ями|ами|ией|иях|иям|ием|ого|его|ому|ему|ыми|ими|ейший|ость|ости|остью|ешь|нный|нная|нное|нные|ться|тся|"
    "лась|лось|лись|ала|ало|али|ила|ило|или|ела|ело|ели|ыла|ать|ять|ить|еть|уть|ают|яют|уют|ает|яет|ует|ит|ят|ал|ил|ел|"
    "ах|ях|ов|ев|ей|ой|ый|ий|ая|яя|ое|ее|ые|ие|ую|юю|ом|ем|ам|ям|ых|их|ия|ья|ью|ию|а|я|о|е|и|ы|у|ю|ь|й)$"
)
_ARABIC_FRONT: Final = re.compile("^(?:وبال|وال|بال|كال|فال|ولل|ال|لل|و(?=.{4}))")
_ARABIC_END: Final = re.compile("(?:هما|ها|ان|ات|ون|ين|يه|هم|كم|نا|ته|تي|ه|ي|ا)$")
_SHORTEST: Final = 3


def stem(word: str) -> str:
    """The stem of a folded word; it need not be a word itself."""
    if word.isascii():
        return _porter(_IRREGULAR.get(word, word))
    first = word[0]
    if "\u0400" <= first <= "\u04ff":
        return _without(_RUSSIAN, word)
    if "\u0600" <= first <= "\u06ff":
        return _without(_ARABIC_END, _without(_ARABIC_FRONT, word))
    return word


def _without(ending: re.Pattern[str], word: str) -> str:
    short = ending.sub("", word)
    return short if len(short) >= _SHORTEST else word


def _porter(word: str) -> str:
    if len(word) <= 2 or not word.isalpha():
        return word
    word = _third(_second(_participle(_plural(word))))
    return _tidied(_fourth(word))


def _is_vowel(word: str, at: int) -> bool:
    return word[at] in "aeiou" or (word[at] == "y" and at > 0 and not _is_vowel(word, at - 1))


def _measure(stemmed: str) -> int:
    """How often a vowel is followed by a consonant: Porter's m."""
    shape = [_is_vowel(stemmed, at) for at in range(len(stemmed))]
    return sum(before and not after for before, after in pairwise(shape))


def _has_vowel(stemmed: str) -> bool:
    return any(_is_vowel(stemmed, at) for at in range(len(stemmed)))


def _is_short(stemmed: str) -> bool:
    """Consonant, vowel, consonant other than w, x, y at the end."""
    size = len(stemmed)
    return (
        size >= 3
        and not _is_vowel(stemmed, size - 3)
        and _is_vowel(stemmed, size - 2)
        and not _is_vowel(stemmed, size - 1)
        and stemmed[-1] not in "wxy"
    )


def _plural(word: str) -> str:
    if word.endswith("sses") or word.endswith("ies"):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _participle(word: str) -> str:
    if word.endswith("eed"):
        word = word[:-1] if _measure(word[:-3]) else word
    elif word.endswith("ed") and _has_vowel(word[:-2]):
        word = _mended(word[:-2])
    elif word.endswith("ing") and _has_vowel(word[:-3]):
        word = _mended(word[:-3])
    return word[:-1] + "i" if word.endswith("y") and _has_vowel(word[:-1]) else word


def _mended(word: str) -> str:
    if word.endswith(("at", "bl", "iz")):
        return word + "e"
    if len(word) > 1 and word[-1] == word[-2] and not _is_vowel(word, len(word) - 1) and word[-1] not in "lsz":
        return word[:-1]
    return word + "e" if _measure(word) == 1 and _is_short(word) else word


def _replaced(word: str, endings: dict[str, str]) -> str:
    for size in range(min(7, len(word)), 1, -1):
        if (instead := endings.get(word[-size:])) is not None:
            return word[:-size] + instead if _measure(word[:-size]) else word
    return word


def _second(word: str) -> str:
    return _replaced(word, _DOUBLE)


def _third(word: str) -> str:
    return _replaced(word, _TRIPLE)


def _fourth(word: str) -> str:
    for ending in _LAST:
        if word.endswith(ending):
            stemmed = word[: -len(ending)]
            if _measure(stemmed) > 1 and (ending != "ion" or stemmed.endswith(("s", "t"))):
                return stemmed
            return word
    return word


def _tidied(word: str) -> str:
    if word.endswith("e"):
        measure = _measure(word[:-1])
        if measure > 1 or (measure == 1 and not _is_short(word[:-1])):
            word = word[:-1]
    return word[:-1] if word.endswith("ll") and _measure(word) > 1 else word
