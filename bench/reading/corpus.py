"""Invents documents: headings, paragraphs, lists and tables of invented words, the same for the same seed. Pure."""

import random
from itertools import product

import msgspec

_SYLLABLES = ("ba", "con", "der", "fi", "gra", "hol", "in", "ka", "lo", "men", "nor", "pre", "ro", "sti", "ter", "ul")
_OTHER_SCRIPTS = {
    "german": ("größe", "straße", "mieter", "übergabe", "kündigung", "zahlung", "räume", "schlüssel"),
    "russian": ("арендатор", "платит", "месяц", "договор", "квартира", "ключи", "порядок", "срок"),
}


class Heading(msgspec.Struct, frozen=True):
    """A title on a line of its own."""

    text: str
    level: int


class Paragraph(msgspec.Struct, frozen=True):
    """Sentences that flow over lines."""

    text: str


class Items(msgspec.Struct, frozen=True):
    """A list."""

    texts: tuple[str, ...]


class Table(msgspec.Struct, frozen=True):
    """Rows of short cells, the first row their heads."""

    rows: tuple[tuple[str, ...], ...]


Block = Heading | Paragraph | Items | Table


class Document(msgspec.Struct, frozen=True):
    """Blocks in the order in which they are read."""

    blocks: tuple[Block, ...]

    def words(self) -> list[str]:
        """All words in order."""
        return " ".join(_text(block) for block in self.blocks).split()


def document(seed: int, paragraphs: int, tables: bool = True, script: str = "") -> Document:
    """One document; `script` mixes in words of a language with other letters (`german`, `russian`)."""
    draw = random.Random(seed)
    words = ["".join(syllables) for syllables in product(_SYLLABLES, repeat=3)]
    words += list(_OTHER_SCRIPTS.get(script, ())) * 200
    blocks: list[Block] = []
    for number in range(paragraphs):
        if number % 4 == 0:
            level = 1 if number == 0 else 2
            blocks.append(Heading(_words(draw, words, 4).capitalize(), level))
        blocks.append(Paragraph(" ".join(_sentence(draw, words) for _ in range(draw.randint(2, 6)))))
        if number % 5 == 2:
            blocks.append(Items(tuple(_sentence(draw, words, 3, 8) for _ in range(draw.randint(2, 5)))))
        if tables and number % 7 == 3:
            blocks.append(_table(draw, words))
    return Document(tuple(blocks))


def _sentence(draw: random.Random, words: list[str], least: int = 6, most: int = 24) -> str:
    return _words(draw, words, draw.randint(least, most)).capitalize() + "."


def _words(draw: random.Random, words: list[str], count: int) -> str:
    return " ".join(draw.choices(words, k=count))


def _table(draw: random.Random, words: list[str]) -> Table:
    columns = draw.randint(2, 4)
    heads = tuple(word.capitalize() for word in draw.sample(words[:4000], columns))
    rows = (tuple(str(draw.randint(1, 9999)) for _ in range(columns)) for _ in range(draw.randint(2, 6)))
    return Table((heads, *rows))


def _text(block: Block) -> str:
    match block:
        case Heading(text) | Paragraph(text):
            return text
        case Items(texts):
            return " ".join(texts)
        case Table(rows):
            return " ".join(cell for row in rows for cell in row)
