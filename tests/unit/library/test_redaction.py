"""What is taken out of a document, and that every offset still points at what it pointed at."""

import hypothesis.strategies as st
from hypothesis import given

from contract.redaction.redactor import LOCAL, MAX_SECRETS
from library.imports.redaction import redact

CARD = "4111 1111 1111 1111"
IBAN = "DE89 3704 0044 0532 0130 00"
KEY = "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n" * 20 + "-----END PRIVATE KEY-----"


def test_cards_go_and_account_numbers_stay() -> None:
    redacted = redact(f"Pay {CARD} or {IBAN}.", LOCAL, [])
    assert CARD not in redacted.text
    assert IBAN in redacted.text
    assert sum(redacted.counts.values()) == 1


def test_marks_point_at_the_same_words_behind_what_was_taken_out() -> None:
    text = f"Página uno {CARD}\nPágina dos {CARD} fin\nend"
    marks = [text.index("Página dos"), text.index("fin"), text.index("end"), len(text)]
    redacted = redact(text, LOCAL, marks)
    assert CARD not in redacted.text
    assert [redacted.text[mark : mark + 3] for mark in redacted.marks] == ["Pág", "fin", "end", ""]


def test_a_mark_within_a_secret_moves_behind_its_marker() -> None:
    text = f"Pay {CARD} now"
    redacted = redact(text, LOCAL, [text.index("1111")])
    assert redacted.text[redacted.marks[0] :] == " now"


def test_a_document_may_hold_any_number_of_secrets() -> None:
    text = "".join(f"{number}: {CARD}\n" for number in range(2 * MAX_SECRETS))
    redacted = redact(text, LOCAL, [0, len(text)])
    assert CARD not in redacted.text
    assert sum(redacted.counts.values()) == 2 * MAX_SECRETS
    assert redacted.marks == [0, len(redacted.text)]


def test_a_private_key_is_not_cut_by_the_end_of_a_piece() -> None:
    filler = "word " * 39_950
    redacted = redact(f"{filler}\n{KEY}\n{filler}", LOCAL, [])
    assert "MIIEvQ" not in redacted.text


def test_control_characters_and_tokens_are_made_harmless_and_marks_stay_true() -> None:
    text = "a\x07b <|im_start|> c"
    redacted = redact(text, LOCAL, [text.index(" c")])
    assert "\x07" not in redacted.text
    assert "<|im_start|>" not in redacted.text
    assert redacted.text[redacted.marks[0] :] == " c"


@given(st.text(), st.lists(st.integers(0, 200)))
def test_a_text_without_secrets_stays_as_it_is(text: str, marks: list[int]) -> None:
    ordered = sorted(min(mark, len(text)) for mark in marks)
    redacted = redact(text, LOCAL, ordered)
    if not redacted.counts:
        assert (redacted.text, redacted.marks) == (text, ordered)
    assert all(0 <= mark <= len(redacted.text) for mark in redacted.marks)
    assert redacted.marks == sorted(redacted.marks)
