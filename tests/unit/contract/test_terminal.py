"""Nothing that is printed steers the terminal, whichever way it is printed."""

import io
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

from contract.runtime import terminal

ROOT = Path(__file__).parents[3]
_OTHER_WAYS = re.compile(
    r"(click\.s?echo|(?<![.\w])print|sys\.std(out|err)\.write)\(|from rich\.console import .*\bConsole\b"
)
_PROGRAMS = ("pace.py", "peer_python.py", "redactor_peer.py", "setup_time.py")
TITLE = "\x1b]0;owned\x07"
HOSTILE = [
    TITLE,
    "\x1b[2J",
    "\x9b2J",
    "back\b\b\b",
    "over\rwritten",
    "\N{RIGHT-TO-LEFT OVERRIDE}gnp.exe",
    "\udce9t\udce9",
]


def steers(text: str) -> bool:
    return any(
        (unicodedata.category(char) in ("Cc", "Cs") and char not in "\t\n")
        or unicodedata.bidirectional(char) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
        for char in text
    )


@given(st.text(st.characters(codec=None)))
def test_no_text_steers_and_all_else_stays(text: str) -> None:
    shown = terminal.printable(text)
    assert not steers(shown)
    assert [char for char in shown if char != "\N{REPLACEMENT CHARACTER}"] == [
        char for char in text.replace("\r\n", "\n") if not steers(char) and char != "\N{REPLACEMENT CHARACTER}"
    ]


@pytest.mark.parametrize("text", ["naïve café", "日本語", "עברית", "👩\N{ZERO WIDTH JOINER}🚀", "a\tb\nc"])
def test_words_of_all_scripts_are_printed_as_they_are(text: str) -> None:
    assert terminal.printable(text) == text


@pytest.mark.parametrize("text", HOSTILE)
def test_a_line_steers_nothing(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.echo(text)
    terminal.echo(text, err=True)
    out, err = capsys.readouterr()
    assert not steers(out + err)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_table_steers_nothing_even_on_a_terminal(text: str) -> None:
    table = Table(text, title=text, caption=text)
    table.add_row(text)
    stream = io.StringIO()
    console = terminal.rich_console(file=stream, width=60, color_system=None)
    console.print(table)
    console.print(text, markup=False, highlight=False)
    # Of rich's own styles only bold and italic are left without colours.
    shown = stream.getvalue()
    assert TITLE not in shown
    assert not steers(shown)


def test_the_commands_print_in_no_other_way() -> None:
    """But programs of other environments, and those whose output another program reads."""
    sources = [path for package in ("ops", "bench") for path in (ROOT / package).rglob("*.py")]
    other = [path for path in sources if _OTHER_WAYS.search(path.read_text("utf-8"))]
    assert [path.name for path in other if path.name not in _PROGRAMS] == []
