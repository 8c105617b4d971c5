"""docs/security.md names tests, and they are there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
ATTACKS = "tests/integration/ops/test_attacks.py"

_NAME = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_TABLE = re.compile(r"^\| attacker \| attack .*?\n\n", re.MULTILINE | re.DOTALL)


def rows() -> list[str]:
    [table] = _TABLE.findall(PAGE)
    return list(table.strip().splitlines()[2:])


@cache
def declared_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, functions) and node.name.startswith("test_")}


@pytest.mark.parametrize(("path", "name"), sorted(set(_NAME.findall(PAGE))))
def test_a_test_that_the_page_names_exists(path: str, name: str) -> None:
    assert name in declared_in(path)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[:40])
def test_every_threat_names_what_is_tried_what_stops_it_and_a_test(row: str) -> None:
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert len(cells) == 4
    assert all(cells)
    assert not _NAME.sub("", cells[3]).strip(), "only tests stand in the last column"


def test_every_attack_that_is_tested_is_on_the_page() -> None:
    named = {name for path, name in _NAME.findall(PAGE) if path == ATTACKS}
    assert named == declared_in(ATTACKS)
