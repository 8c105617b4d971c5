"""How a rate is written."""

import pytest

from contract.errors import SettingsError
from contract.rate import MAX_COUNT, Rate
from contract.settings import load
from ingress.settings import IngressSettings


@pytest.mark.parametrize(
    ("text", "count", "window_s"),
    [("1/second", 1, 1), ("100/minute", 100, 60), ("5/hour", 5, 3600), (f"{MAX_COUNT}/day", MAX_COUNT, 86_400)],
)
def test_a_rate_is_a_count_in_a_window(text: str, count: int, window_s: int) -> None:
    rate = Rate(text)
    assert (rate.count, rate.window_s, str(rate)) == (count, window_s, text)
    assert rate == Rate(text)


@pytest.mark.parametrize(
    "text", ["", "100", "0/second", "-1/second", "1/week", "1 / second", "1.5/second", f"{MAX_COUNT + 1}/day", "٣/day"]
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"as in 100/minute$"):
        Rate(text)


def test_as_a_setting_it_names_the_setting() -> None:
    assert load(IngressSettings, {"DOCQA_RATE_LIMIT": "7/minute"}).rate_limit == Rate("7/minute")
    with pytest.raises(SettingsError, match=r"^DOCQA_RATE_LIMIT: expected COUNT/second"):
        load(IngressSettings, {"DOCQA_RATE_LIMIT": "fast"})
