"""Whether a full stop ends a sentence or belongs to the word before it."""

from typing import Final

_ALWAYS: Final = frozenset(
    # Something must follow them.
    """
mr mrs ms dr prof rev gen col capt lt sgt maj hon sr st mt messrs mme mlle gov sen rep pres vs cf viz e.g i.e eg ie
approx ca eds resp incl excl tel z.b bzw d.h u.a str hrsg vgl sog evtl ggf inkl zzgl dipl ing sra srta ud uds г ул им
т.е т.к т.н см ср напр проф акад тов
""".split()
)
_BEFORE_NUMBERS: Final = frozenset(
    """
no nos art arts sec secs fig figs eq eqs p pp para paras ch vol vols ed nr abs bd núm pág págs рис стр гл п пп ст
""".split()
)
_SOMETIMES: Final = frozenset(
    # They may stand at the end, too: what follows decides.
    """
etc al inc ltd co corp bros jr u.s u.k u.n e.u d.c a.m p.m b.c a.d ph.d m.d b.a m.a llc plc dept est jan feb mar apr
jun jul aug sep sept oct nov dec usw gmbh т.д т.п гг др тыс млн млрд
""".split()
)
_OPENERS: Final = frozenset(
    """
the a an in on at it its he she they we you i his her their our this that these those there here when while if as for
from by to with but and or however after before since although because during under all some most many no one each
then both such what who where how der die das ein eine es er sie wir in im am bei nach vor seit и в на он она они это
по с к за но
""".split()
)
_MONTHS: Final = frozenset(
    """
januar februar märz april mai juni juli august september oktober november dezember jänner
""".split()
)


def is_end(word: str, after: str, *, is_first: bool) -> bool:
    """Whether the stop between `word` and `after` (its next word, not in lower case) ends the sentence.

    `is_first`: the word is the first of its sentence, as the number of a paragraph is.
    """
    lowered = word.lower()
    if not after:
        return True
    if word.isdecimal():
        return not (is_first or (len(word) <= 2 and after.lower() in _MONTHS))
    if is_first and _is_numbering(word):
        return False
    if lowered in _ALWAYS or (lowered in _BEFORE_NUMBERS and _is_number(after)):
        return False
    if lowered in _SOMETIMES or _is_initials(word):
        return after.lower() in _OPENERS and (len(after) > 1 or after in "AI") and lowered not in ("st",)
    return True


def _is_numbering(word: str) -> bool:
    """`3.2`, `A`, `iv`: the number of a clause."""
    return word.replace(".", "").isdecimal() or (len(word) == 1 and word.isalpha())


def _is_initials(word: str) -> bool:
    """`J`, `U.S`, `D.H`: single letters between stops."""
    return all(len(part) == 1 and part.isalpha() for part in word.split("."))


def _is_number(word: str) -> bool:
    """`12`, `3a`, `IV`."""
    return word[0].isdecimal() or not word.strip("IVXLC")
