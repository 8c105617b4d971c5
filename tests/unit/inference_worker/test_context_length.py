"""What APIs say of prompts that are too long."""

import pytest

from inference_worker.proxy.context_length import answer_limit, is_meant, numbers_in

PROMPT, LIMIT, ANSWER = 9000, 8192, 500


@pytest.mark.parametrize(
    ("words", "max_tokens", "numbers"),
    [
        ("This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.", 500,
         (9000, 8192)),
        ("maximum context length is 4096 tokens. However, you requested 4500 tokens (4000 in the messages, 500 in the "
         "completion).", 500, (4000, 4096)),
        ("'max_tokens' is too large: 1000. This model's maximum context length is 1000 tokens and your request has 200 "
         "input tokens (1000 > 1000 - 200).", 1000, (200, 1000)),
        ("input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease one", 20_000,
         (190_000, 200_000)),
        ("prompt is too long: 210,000 tokens > 200,000 maximum", 500, (210_000, 200_000)),
        ("`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens and 500 `max_new_tokens`",
         500,
         (4000, 4096)),
        ("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", 128,
         (1_200_000, 1_048_576)),
        ("Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length", 128,
         (40_000, 32_768)),
        ("Please reduce the length of the messages or completion.", 128, (0, 0)),
        ("Too many tokens for gpt-4: at most 8192.", 128, (0, 8192)),
    ],
)  # fmt: skip
def test_too_long_is_understood_with_its_numbers(words: str, max_tokens: int, numbers: tuple[int, int]) -> None:
    assert is_meant(words)
    assert numbers_in(words, max_tokens) == numbers


def test_a_limit_of_the_answer_alone_is_told_apart() -> None:
    words = "max_tokens is too large: 5000. This model supports at most 4096 completion tokens."
    assert is_meant(words)
    assert answer_limit(words) == 4096


@pytest.mark.parametrize("words", ["No.", "Unknown model.", "The key is not valid.", "temperature must be at most 1"])
def test_other_refusals_are_not_taken_for_it(words: str) -> None:
    assert not is_meant(words)
