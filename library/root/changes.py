"""What changed between two looks at the root: pure, so that the rule of what may be removed can be tried alone."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from library.root.beneath import Seen
from library.store.records import Stat

MOST_REMOVED: Final = 20
MOST_REMOVED_SHARE: Final = 0.1
"""A look that misses more than both removes nothing by itself."""


class Changes(NamedTuple):
    """`moved`: from, to. `removed` may be held back, see `are_too_many`."""

    new: dict[str, Stat]
    changed: dict[str, Stat]
    moved: list[tuple[str, str, Stat]]
    removed: list[str]
    odd: dict[str, str]


def changes_between(known: Mapping[str, Stat], seen: Iterable[Seen]) -> Changes:
    """`known`: the files of the look before."""
    found = list(seen)
    files = {one.path: one.stat for one in found if one.stat}
    unknown = tuple(f"{one.path}/" for one in found if one.is_folder)
    new = {path: stat for path, stat in files.items() if path not in known}
    gone = [path for path in known if path not in files and not path.startswith(unknown)]
    moved = _moves(known, gone, new)
    for source, target, _ in moved:
        gone.remove(source)
        del new[target]
    changed = {path: stat for path, stat in files.items() if path in known and not known[path].is_same_file(stat)}
    return Changes(new, changed, moved, gone, {one.path: one.odd for one in found if one.odd})


def _moves(known: Mapping[str, Stat], gone: Iterable[str], new: Mapping[str, Stat]) -> list[tuple[str, str, Stat]]:
    """A file that is gone and a new one of the same inode, size and time are one that was moved."""
    by_content = {stat[1:]: path for path, stat in new.items()}
    pairs = [(path, by_content.pop(known[path][1:], "")) for path in gone]
    return [(source, target, new[target]) for source, target in pairs if target]


def are_too_many(removed: int, known: int) -> bool:
    """Whether a share has rather dropped out than so many files been removed."""
    return removed > MOST_REMOVED and removed > MOST_REMOVED_SHARE * known
