"""Which sentences come first, and why."""

from bisect import bisect_right
from itertools import accumulate

import pytest

from contract.evidence import Scored, SentenceIndex, quote, rank, split_sentences
from contract.evidence.ranking import CANDIDATES

_LEASE = """Lease

1. Rent
The tenant pays 900 euros each month. The rent rises every January.

2. Term
The lease begins on 1 March 2024. It was signed by Maria Weber in Berlin.
It may be ended because of late payment.
"""


def best(question: str, text: str = _LEASE, cosines: list[float] | None = None) -> str:
    sentences = split_sentences(text)
    first = sentences[rank(question, text, sentences, cosines)[0].index]
    return text[first.start : first.end]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("When does the lease begin?", "The lease begins on 1 March 2024."),
        ("How many euros does the tenant pay?", "The tenant pays 900 euros each month."),
        ("Who signed the lease?", "It was signed by Maria Weber in Berlin."),
        ("Where was it signed?", "It was signed by Maria Weber in Berlin."),
        ("When do rents rise?", "The rent rises every January."),
    ],
)
def test_ranking_prefers_the_sentence_that_answers(question: str, expected: str) -> None:
    assert best(question) == expected


def test_a_rare_word_counts_more_than_common_ones() -> None:
    text = "The new file name is used here. A new list of the file name is given. The walrus is a new one."
    assert best("What is the new name of the walrus file?", text) == "The walrus is a new one."


def test_a_sentence_with_the_asked_kind_beats_its_equal_without() -> None:
    text = "The museum was opened by the mayor. The museum was opened in 1931. The museum was opened to all."
    assert best("When was the museum opened?", text) == "The museum was opened in 1931."


def test_a_pronoun_takes_the_words_of_the_sentence_before() -> None:
    text = "Charles died in 1871. Ada Lovelace was ill. She died in 1852. Ada Lovelace loved music. Tom died in 1900."
    assert best("In what year did Ada die?", text) == "She died in 1852."


def test_the_heading_counts_for_the_sentences_below_it() -> None:
    text = "1. Pumps\nThe guarantee lasts two years from sale.\n\n2. Hoses\nThe guarantee lasts one year from sale."
    assert best("How long is the guarantee on hoses?", text) == "The guarantee lasts one year from sale."


def test_a_title_is_no_answer() -> None:
    text = "The cost of repairs\n\nThe cost of repairs is borne by the seller who delivered the goods in question."
    assert best("Who bears the cost of repairs?", text).startswith("The cost of repairs is borne")


def test_vectors_find_what_shares_no_word() -> None:
    sentences = split_sentences(_LEASE)
    cosines = [0.1] * len(sentences)
    cosines[-1] = 0.7
    assert (
        best("What happens to somebody who owes money?", _LEASE, cosines) == "It may be ended because of late payment."
    )


def test_without_a_shared_word_and_without_vectors_nothing_is_found() -> None:
    assert rank("Quokka?", _LEASE, split_sentences(_LEASE)) == []


def test_an_empty_text_has_no_sentences_to_rank() -> None:
    assert rank("Who?", "", [], []) == []


def test_cosines_must_fit_the_sentences() -> None:
    with pytest.raises(ValueError, match="1 cosines for 2 sentences"):
        rank("Who?", "A man. A plan.", split_sentences("A man. A plan."), [0.5])


def test_a_bounded_number_of_sentences_is_looked_at_closely() -> None:
    text = "The pump costs a lot. " * 3_000
    index = SentenceIndex(text, split_sentences(text))
    assert len(index.candidates(index.wanted("What does the pump cost?"), None)) <= 2 * CANDIDATES
    assert len(index.candidates(index.wanted("What does the pump cost?"), [0.5] * 3_000)) == CANDIDATES


def test_a_quote_has_the_best_sentence_first_and_stays_short() -> None:
    text = "Short one. Long " + " ".join(["word"] * 55) + ". Another short one."
    sentences = split_sentences(text)
    ranked = [Scored(index, 1.0, 1.0, None) for index in range(3)]
    assert [chosen.index for chosen in quote(text, sentences, ranked)] == [0, 1]
    assert [chosen.index for chosen in quote(text, sentences, ranked[1:] + ranked[:1])] == [1, 2]


def test_a_quote_is_never_empty_where_something_was_found() -> None:
    text = " ".join(["word"] * 150) + "."
    sentences = split_sentences(text)
    assert len(quote(text, sentences, [Scored(0, 1.0, 1.0, None)])) == 1


def test_chinese_is_ranked_by_pairs_of_characters() -> None:
    text = "黑豹队的防守只丢了308分。球队在联赛中排名第六。教练是罗恩·里维拉。"
    assert best("黑豹队的防守丢了多少分？", text) == "黑豹队的防守只丢了308分。"


def joined(*documents: str) -> SentenceIndex:
    """Several documents as one text."""
    text = "\n\n".join(documents)
    sentences = split_sentences(text)
    ends = list(accumulate(len(document) + 2 for document in documents))
    return SentenceIndex(text, sentences, [bisect_right(ends, sentence.start) for sentence in sentences])


def test_of_look_alikes_a_name_picks_the_document_and_the_other_words_the_clause() -> None:
    parties = [f"{first} {second}" for first in ("Alder", "Birch", "Cedar") for second in ("Mills", "Motors", "Pumps")]
    index = joined(
        *(
            f"This agreement is made between {party} and the buyer.\n\nThe price for the term is {900 + at} euros.\n\n"
            "Invoices are due within thirty days of receipt.\n\nAmendments are valid only in writing."
            for at, party in enumerate(parties)
        )
    )
    first = index.sentences[index.rank("What is the price for Birch Motors?")[0].index]
    assert index.text[first.start : first.end] == "The price for the term is 904 euros."


def test_documents_that_differ_are_no_look_alikes() -> None:
    index = joined("The rent is 900 euros.", "Whales breathe air.", "The sea is deep.")
    assert not index._are_look_alikes
