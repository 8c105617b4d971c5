"""The RTF inside of Outlook's messages, unpacked."""

import struct

import pytest

from library.readers.mail.rtf_packed import unpacked
from library.readers.reading import ReadingFailed

# The examples of [MS-OXRTFCP] 4.1.1 and 4.2: one with a reference to what the ring begins with, one that goes on into
# what it writes itself.
SIMPLE = bytes.fromhex(
    "2d0000002b0000004c5a4675f1c5c7a703000a00726370673132354232 0af32068656c090020627705b06c647d0a800fa0".replace(
        " ", ""
    )
)
CROSSING = bytes.fromhex("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0")


def test_references_into_the_beginning_are_followed() -> None:
    assert unpacked(SIMPLE, 1000) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"


def test_references_into_what_they_write_are_followed() -> None:
    assert unpacked(CROSSING, 1000) == b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"


def test_text_that_was_not_packed_is_as_it_is() -> None:
    assert unpacked(struct.pack("<IIII", 0, 3, 0x414C454D, 0) + b"abcd", 1000) == b"abc"


@pytest.mark.parametrize("data", [b"", b"x" * 10, struct.pack("<IIII", 0, 3, 1, 0)])
def test_what_is_no_packed_text_is_damaged(data: bytes) -> None:
    with pytest.raises(ReadingFailed):
        unpacked(data, 1000)


def test_a_size_past_the_limit_is_refused_before_unpacking() -> None:
    with pytest.raises(ReadingFailed, match="unpacks to more"):
        unpacked(SIMPLE[:4] + b"\xff\xff\xff\x7f" + SIMPLE[8:], 10 * 1024 * 1024)


def test_text_that_was_cut_off_ends_early() -> None:
    assert unpacked(SIMPLE[:30], 1000).startswith(b"{\\rtf1\\ansi")
