"""Which characters are written without spaces between words, and which marks belong to the letter before them."""

from typing import Final

HAN: Final = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
KANA: Final = "\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f"
HANGUL: Final = "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af"
"""Korean has spaces, but what is glued to a noun is best cut off as overlapping pairs, too."""
SOUTH_EAST: Final = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
"""Thai, Lao, Burmese, Khmer."""
UNSPACED: Final = HAN + KANA + HANGUL + SOUTH_EAST
MARKS: Final = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed\u0900-\u0963\u0966-\u0dff\u200c\u200d"
)
"""Combining marks, and the blocks of India whose vowels are marks."""
DROPPED: Final = "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u200c\u200d"
"""Accents, Hebrew and Arabic vowels: most writers leave them out."""
