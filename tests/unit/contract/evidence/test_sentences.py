"""Sentences and their offsets."""

import sys
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.evidence import SentenceIndex, embedding_text, split_sentences
from contract.evidence.sentences import SENTENCE_CHARACTERS

_SCRIPTS = (
    "The lease ends. Mr. J. Smith paid $3.5 million (No. 5) in the U.S. on 3. May?! ",
    "黑豹队的防守只丢了308分。在联赛中排名第六！",
    "القرار نهائي. ما هو السبب؟ لا أعرف؛ ",
    "Защита уступила 308 очков, т.е. мало. Кто выиграл? ",
    "ภาษาไทยเป็นภาษาราชการ มีผู้พูดจำนวนมาก ",
    "昨日は雨でした。「行きます。」と彼は言った。",
    "यह वाक्य है। दूसरा वाक्य। ",
    "| a | b |\n|---|---|\n| 1 | 2 |\n",
    "# Title\n\n1. Term\nThe term is a year.\n- one\n- two\n\n",
    "\r\n\t \u2028\x0b\u3000...!!??”’)]}  \u0301\u200d😀",
)


def sentences_of(text: str) -> list[str]:
    return [text[sentence.start : sentence.end] for sentence in split_sentences(text)]


@settings(deadline=None)
@given(st.lists(st.one_of(st.sampled_from(_SCRIPTS), st.text(max_size=30)), max_size=12).map("".join))
def test_sentences_are_in_order_do_not_overlap_and_hold_every_letter(text: str) -> None:
    at, held = 0, []
    for sentence in split_sentences(text):
        assert at <= sentence.start < sentence.end <= len(text)
        assert sentence.end - sentence.start <= SENTENCE_CHARACTERS
        words = text[sentence.start : sentence.end]
        assert words == words.strip()
        for start, end in sentence.above:
            assert 0 <= start < end <= len(text)
        held.append(words)
        at = sentence.end
    assert "".join(filter(str.isalnum, "".join(held))) == "".join(filter(str.isalnum, text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mr. Smith met Dr. Jones. They left.", ["Mr. Smith met Dr. Jones.", "They left."]),
        ("J. R. R. Tolkien wrote it. He won.", ["J. R. R. Tolkien wrote it.", "He won."]),
        ("It costs $3.50. Cheap.", ["It costs $3.50.", "Cheap."]),
        ("See No. 5, Art. 12. He said no. Then he left.", ["See No. 5, Art. 12.", "He said no.", "Then he left."]),
        ("Acme Inc. sells pumps at Acme Inc. The end.", ["Acme Inc. sells pumps at Acme Inc.", "The end."]),
        ("We met at 5 p.m. on Monday.", ["We met at 5 p.m. on Monday."]),
        ("Fruit, e.g. apples, i.e. food, etc. is fresh.", ["Fruit, e.g. apples, i.e. food, etc. is fresh."]),
        ("Am 3. Oktober beginnt es. Ende.", ["Am 3. Oktober beginnt es.", "Ende."]),
        ("Founded in 1999. The firm grew.", ["Founded in 1999.", "The firm grew."]),
        ("“Stop!” he cried. Nobody did.", ["“Stop!” he cried.", "Nobody did."]),
        ("It is so.[1][2] It was not.", ["It is so.[1][2]", "It was not."]),
        ("Wait... What? Yes!", ["Wait...", "What?", "Yes!"]),
        ("他来了。“好。”他说！真的？", ["他来了。", "“好。”", "他说！", "真的？"]),
        ("ما السبب؟ لا أعرف. نعم", ["ما السبب؟", "لا أعرف.", "نعم"]),
        ("यह वाक्य है। दूसरा वाक्य।", ["यह वाक्य है।", "दूसरा वाक्य।"]),
        ("Он жил в г. Москве, т.е. там. Он умер.", ["Он жил в г. Москве, т.е. там.", "Он умер."]),
        ("The notice is sent to the\nother party in writing. It ends.",
         ["The notice is sent to the\nother party in writing.", "It ends."]),
        ("The weather was fine\n\nand so it stayed", ["The weather was fine", "and so it stayed"]),
        ("Visit example.com. It is at v2.3.1 now.", ["Visit example.com.", "It is at v2.3.1 now."]),
    ],
)  # fmt: skip
def test_stops_that_end_a_sentence_are_told_from_those_that_do_not(text: str, expected: list[str]) -> None:
    assert sentences_of(text) == expected


def test_thai_is_cut_at_spaces_once_a_piece_is_long_enough() -> None:
    text = "ภาษาไทยเป็นภาษาที่ใช้ในประเทศไทย มีผู้พูดจำนวนมากในประเทศไทยและต่างประเทศ ซึ่งเป็นภาษาราชการ"
    assert sentences_of(text) == [text[: text.rindex(" ")], text[text.rindex(" ") + 1 :]]


def test_headings_stand_alone_and_are_carried() -> None:
    text = "# Agreement\n\n1. Term\nThe agreement runs for two years.\n\nTERMINATION\nEither party may end it."
    kinds = {text[one.start : one.end]: (one.kind, [text[a:b] for a, b in one.above]) for one in split_sentences(text)}
    assert kinds["1. Term"][0] == kinds["TERMINATION"][0] == "heading"
    assert kinds["The agreement runs for two years."] == ("sentence", ["1. Term"])
    assert kinds["Either party may end it."] == ("sentence", ["TERMINATION"])


def test_a_row_carries_the_head_of_its_table() -> None:
    text = "| Item | Price |\n|------|------:|\n| Pump | 30 |\n| Hose | 4 |\n\nName\tAge\nAnn\t3"
    rows = {text[one.start : one.end]: [text[a:b] for a, b in one.above] for one in split_sentences(text)}
    assert rows["| Hose | 4 |"] == ["| Item | Price |"]
    assert rows["Ann\t3"] == ["Name\tAge"]


def test_an_item_carries_the_line_that_its_list_hangs_on() -> None:
    text = "The supplier shall:\n- deliver the goods\n  within a month;\n- repair them."
    pump = split_sentences(text)[1]
    assert text[pump.start : pump.end] == "- deliver the goods\n  within a month;"
    assert embedding_text(text, pump).startswith("The supplier shall:. - deliver")


def steps(text: str) -> int:
    """How many lines of Python run while a text is cut and indexed."""
    count = 0

    def trace(_frame: FrameType, _event: str, _argument: Any) -> Any:
        nonlocal count
        count += 1
        return trace

    sys.settrace(trace)
    try:
        SentenceIndex(text, split_sentences(text)).rank("what is the answer to a question")
    finally:
        sys.settrace(None)
    return count


@pytest.mark.parametrize(
    "hostile",
    [
        ".",
        "a.",
        "A. ",
        "a ",
        "\n",
        "# a\n",
        "| a | b |\n",
        "a:\n- b\n",
        "1,",
        "。",
        "ก ",
        "a",
        "’",
        "[1]",
        ")",
        " ",
        "漢",
        "x\t",
    ],
)
def test_the_steps_grow_no_faster_than_the_text(hostile: str) -> None:
    short, long = (steps(hostile * (size // len(hostile))) for size in (4_000, 16_000))
    assert long < 4.6 * short + 2_000


@pytest.mark.parametrize("hostile", [".", "....x", "\t", "漢", "a’", "1.", "[1]", "| ", "！", " ก"])
def test_a_hostile_megabyte_is_cut_whole(hostile: str) -> None:
    text = hostile * (1_000_000 // len(hostile))
    assert all(one.end - one.start <= SENTENCE_CHARACTERS for one in split_sentences(text))
