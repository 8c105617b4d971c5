"""docs/architecture.md lists the rooms that there are."""

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
PAGE: Final = ROOT / "docs" / "architecture.md"
PACKAGES: Final = ("contract", "ingress", "inference_worker", "library", "ops", "bench")

_ROW: Final = re.compile(r"^\| `(?P<room>[a-z_/]+/)` \|(?P<rest>.*)\|$", re.MULTILINE)


def rows() -> dict[str, list[str]]:
    """Each room's cells: what it knows, what it does not know, what it may touch."""
    found = _ROW.finditer(PAGE.read_text(encoding="utf-8"))
    return {row["room"]: [cell.strip() for cell in row["rest"].split("|")] for row in found}


def folders() -> set[str]:
    return {
        f"{marker.parent.relative_to(ROOT)}/"
        for package in PACKAGES
        for marker in (ROOT / package).rglob("__init__.py")
    }


def test_the_page_has_a_row_for_each_room_and_each_row_is_a_room() -> None:
    assert set(rows()) == folders(), "docs/architecture.md: the table of rooms needs one row for each package folder"


def test_each_row_says_what_the_room_knows_what_it_does_not_and_what_it_may_touch() -> None:
    incomplete = [room for room, cells in rows().items() if len(cells) != 3 or not all(cells)]
    assert not incomplete


def test_a_room_holds_no_more_files_than_a_reader_takes_in() -> None:
    crowded = {room: len(list((ROOT / room).glob("*.py"))) for room in folders()}
    # One file a kind of secret.
    allowed = {"contract/redaction/detectors/": 30}
    assert not {room: count for room, count in crowded.items() if count > allowed.get(room, 25)}
