"""The documentation is held to the code."""

import re
from pathlib import Path

import msgspec
import pytest

from contract.settings import KNOWN_NAMES
from tests.unit.contract.test_settings import KINDS

PAGE = Path(__file__).parents[3] / "docs" / "settings.md"

_ROW = re.compile(r"^\| *`(?P<name>[A-Z_]+)` *\| *(?P<default>.*?) *\| *(?P<meaning>.*?) *\|$", re.MULTILINE)


def rows() -> list[dict[str, str]]:
    return [row.groupdict() for row in _ROW.finditer(PAGE.read_text(encoding="utf-8"))]


def defaults_in_code(name: str) -> set[str]:
    """All services' defaults of one setting, as the page writes them."""
    infos = [info for kind in KINDS for info in msgspec.structs.fields(kind) if info.encode_name == name]
    values = [info.default if info.default is not msgspec.NODEFAULT else info.default_factory() for info in infos]
    return {as_written(value) for value in values if value is not None}


def as_written(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case Path():
            return f"~/{value.relative_to(Path.home())}"
        case _:
            return str(value)


def test_the_page_of_settings_lists_each_known_name_once() -> None:
    names = [row["name"] for row in rows()]
    assert sorted(names) == sorted(KNOWN_NAMES)


@pytest.mark.parametrize("name", sorted(KNOWN_NAMES))
def test_the_page_of_settings_states_the_true_default(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    [row] = [row for row in rows() if row["name"] == name]
    assert set(re.findall(r"`([^`]*)`", row["default"])) == defaults_in_code(name)


def test_every_setting_has_a_meaning() -> None:
    assert not [row["name"] for row in rows() if len(row["meaning"]) < 10]
