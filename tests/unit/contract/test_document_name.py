"""Names that senders give to documents, made harmless."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.document_name import MAX_NAME_CHARS, document_name


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("lease.pdf", "lease.pdf"),
        ("Mietvertrag März.docx", "Mietvertrag März.docx"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ann\\lease.pdf", "lease.pdf"),
        ("a\x00b\r\nc\x1b[31m.txt", "ab c [31m.txt"),
        ("  many   spaces .txt ", "many spaces .txt"),
        ("\u202egpj.exe", "gpj.exe"),
        ("..", "document"),
        ("", "document"),
        ("/", "document"),
        ("\ud800.txt", ".txt"),
        (".hidden", ".hidden"),
    ],
)
def test_a_name_is_the_last_part_of_a_path_on_one_line(sent: str, name: str) -> None:
    assert document_name(sent) == name


def test_a_name_of_four_thousand_letters_keeps_its_ending() -> None:
    name = document_name("x" * 4000 + ".docx")

    assert len(name) == MAX_NAME_CHARS
    assert name.endswith("xxx.docx")


@given(st.text())
def test_no_name_picks_a_path_or_breaks_a_line(sent: str) -> None:
    name = document_name(sent)

    assert 0 < len(name) <= MAX_NAME_CHARS
    assert not set(name) & set("/\\\n\r\x00")
    assert name not in (".", "..")
    name.encode()
