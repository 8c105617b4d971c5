"""Contracts from one template, with parties, sums and dates of their own: what a space of look-alikes holds."""

import random
from collections.abc import Iterator
from typing import Final

from bench.answers.datasets import Article, Passage, Question

COUNT: Final = 400
_FIRST: Final = """
Alder Amber Basalt Beacon Birch Bramble Cedar Cobalt Copper Coral Crescent Delta Ember Falcon Fern Flint
Granite Harbour Hazel Heron Indigo Ivory Jasper Juniper Kestrel Lantern Larch Linden Lunar Maple Marble Meadow
Merlin Mistral Onyx Opal Orchid Osprey Pebble Pine Quartz Raven Russet Saffron Sable Sierra Slate Sorrel
Tamarisk Thistle Topaz Acacia Anchor Aspen Aurora Barley Bison Clover Comet Cypress Damson Drift Elder Gannet
Garnet Ginger Hollow Iris Lark Lotus Moss Umber Velvet Walnut Willow Wren Yarrow Zephyr
""".split()
_SECOND: Final = """
Bakeries Carriers Ceramics Dairies Foundry Instruments Laundries Logistics Mills Motors Optics Orchards
Printers Pumps Textiles Timber
""".split()
_FORMS: Final = ("Ltd", "GmbH", "Inc.", "SA", "BV")
_TOWNS: Final = """
Aberdeen Bergen Cork Delft Essen Faro Ghent Haarlem Innsbruck Jena Krakow Leeds Malmo Nantes Odense Porto
""".split()
_MONTHS: Final = """
January February March April May June July August September October November December
""".split()
_TEMPLATE: Final = """\
Framework agreement no. {number}

1. Parties
This agreement is made between {supplier} of {town}, the supplier, and {buyer}, the buyer.
It takes effect on {begins} and ends on {ends}.

2. Subject
The supplier delivers the goods that the buyer orders in writing.
Each order is confirmed within {confirm} working days.

3. Price
The total price for the whole term is {price} euros.
Invoices are due within {due} days of receipt.
Late payments bear interest of {interest} percent a year.

4. Liability
The supplier's liability is limited to {limit} euros for each event.
Neither party is liable for strikes, floods or acts of authorities.

5. Termination
Either party may terminate this agreement in writing with {notice} weeks' notice.
Amendments are valid only in writing.
"""
_ASKED: Final[tuple[tuple[str, str], ...]] = (
    ("What is the total price in the agreement with {supplier}?", "price"),
    ("When does the agreement between {supplier} and {buyer} take effect?", "begins"),
    ("How many weeks' notice does {buyer} have to give to terminate?", "notice"),
    ("To what sum is the liability of {supplier} limited?", "limit"),
)


def contracts(seed: int, count: int = COUNT) -> list[Article]:
    """Each with questions that name its parties; a party's name occurs in one contract only."""
    drawn = random.Random(seed)
    return [_contract(drawn, number, *parties) for number, parties in enumerate(_parties(drawn, count), 1)]


def absent_parties(seed: int, count: int = COUNT) -> list[str]:
    """Questions about a party that is in none of the contracts of this seed."""
    drawn = random.Random(seed)
    known = {name for pair in _parties(drawn, count) for name in pair}
    strangers = [name for name in _names() if name not in known]
    drawn.shuffle(strangers)
    names = strangers[: min(count, len(strangers))]
    return [_ASKED[at % len(_ASKED)][0].format(supplier=name, buyer=name) for at, name in enumerate(names)]


def _names() -> list[str]:
    pairs = ((at + on, f"{first} {second}") for at, first in enumerate(_FIRST) for on, second in enumerate(_SECOND))
    return [f"{name} {_FORMS[turn % len(_FORMS)]}" for turn, name in pairs]


def _parties(drawn: random.Random, count: int) -> Iterator[tuple[str, str]]:
    names = _names()
    if 2 * count > len(names) * 0.9:
        raise ValueError(f"at most {int(len(names) * 0.45)} contracts")
    drawn.shuffle(names)
    yield from zip(names[:count], names[count : 2 * count], strict=True)


def _contract(drawn: random.Random, number: int, supplier: str, buyer: str) -> Article:
    day, month, year = drawn.randint(1, 28), drawn.choice(_MONTHS), drawn.randint(2015, 2024)
    values = {
        "number": number, "supplier": supplier, "buyer": buyer, "town": drawn.choice(_TOWNS),
        "begins": f"{day} {month} {year}", "ends": f"{day} {month} {year + drawn.randint(2, 5)}",
        "price": f"{drawn.randint(20, 900) * 1000:,}", "limit": f"{drawn.randint(10, 500) * 1000:,}",
        "confirm": drawn.randint(2, 9), "due": drawn.choice((14, 21, 30, 45, 60)), "interest": drawn.randint(3, 9),
        "notice": drawn.choice((4, 6, 8, 10, 12, 26)),
    }  # fmt: skip
    asked = tuple(Question(words.format(**values), (str(values[name]),)) for words, name in _ASKED)
    return Article(f"Framework agreement no. {number}", (Passage(_TEMPLATE.format(**values), asked),))
