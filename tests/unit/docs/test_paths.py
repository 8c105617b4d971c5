"""Files that the documentation names in backticks exist."""

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[3]
PAGES: Final = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "deploy").rglob("*.md")])

_FENCED: Final = re.compile(r"^(?P<fence>`{3,}).*?^(?P=fence)", re.MULTILINE | re.DOTALL)
_TOKEN: Final = re.compile(r"`([\w./-]+)`")
_SOURCE: Final = re.compile(r"[\w/-]+\.py")
_FOLDERS: Final = tuple(f"{path.name}/" for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith("."))
_HISTORY: Final = "CHANGELOG.md"


def paths(page: Path) -> set[str]:
    """What is written as a path of this repository: a Python file, or anything in one of its folders."""
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    return {token for token in _TOKEN.findall(text) if _SOURCE.fullmatch(token) or token.startswith(_FOLDERS)}


def is_there(path: str, page: Path) -> bool:
    return (ROOT / path).exists() or (page.parent / path).exists()


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != _HISTORY], ids=lambda page: str(page.name))
def test_each_path_that_a_page_names_exists(page: Path) -> None:
    assert not sorted(path for path in paths(page) if not is_there(path, page))


def test_a_path_that_is_gone_would_be_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("See `ops/gone.py` and `ops/stack.py`.")
    assert [path for path in paths(page) if not is_there(path, page)] == ["ops/gone.py"]
