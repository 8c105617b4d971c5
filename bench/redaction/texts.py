"""Texts that measure the sanitizer's speed: ordinary ones, ones full of secret-like words, and hostile ones."""

import json
import random
from collections.abc import Callable
from typing import Final

from bench.harness.documents import DOCUMENTS
from bench.redaction.corpus import NAMED, PROSE, TOKENS, luhn_digit, uuid

BYTES: Final = 100_000

Make = Callable[[random.Random], str]

HOSTILE: Final = (
    "key=", "password=", "key=abcdef ", 'token="a",', '"token": "abcd",', "password=aaaaa,", "api_key=abcdef12 ",
    "secret: abcdefgh\n", "pw=ab1cd ", "pwd=a1b2c3 (", 'passwd: "x y z the your"\n', f"s.{'a' * 24} ",
    f"AKIA{'A' * 16} ", f"ghp_{'x' * 36} ", "eyJaaaaaaaaaaa.", f"eyJ{'a' * 20}.eyJ{'a' * 20} ", "-eyJ", "4111 ",
    "4111 1111 1111 1112 ", "4111111111111112 ", "://a:b", "://a:bcd@", "://u:${X}@h ",
    f"-----BEGIN {'PRIVATE'} KEY-----", "-----BEGIN ", "Bearer ", "bearer aaaaaaaaaaaa ", "basic aaaaaaaa ",
    "authorization: aaaaaaaaaaaaaaaa ", " -u a:bcd", " -u aaa:bcdef ", "<|", "<|a|>", "<s>", "\x00", "\u202e",
    "123-45-0000 ", "123456789 ", "DE44 5001 0517 5407 3249 32 ", "DE44500105175407324932 ", "key_", "key.", "secret_",
    f"00{'a' * 40} ", "sk-", f"sk-{'a' * 19} ", "[REDACTED:card]", "[REDACTED:card", '"', "\\n", "A-", "a@", "é",
    "token token token ", "password is x ", "password ", "auth:", 'name="password" value="', "<password>",
    "</password>", "key:\n\n", "token=(", "token = $", "{{", "pass: ${", "\n", " ", "0", "a", "-", "_", ".", "=",
    "key=key=", "secret=b1c2d3e4f5 ", 'api_key="abcdefgh" ', "--token ", "-", "login a password ", "\u200b", "\u200d",
    "kind: Secret\n", "kind: Secret\ndata:\n a: YWJjZGVm\n", "data:\n", f"{'A' * 40} ", "YWJjZGVmZ2hpamts\n",
)  # fmt: skip
"""Pieces that almost contain a secret, or many in a row."""
_MIXED: Final = 60


def ordinary(seed: int) -> dict[str, str]:
    """Ordinary texts, 100 KB of each sort."""
    draw = random.Random(seed)
    sorts = {"prose": _prose, "log": _log, "JSON": _record, "prose with a secret in every 10 KB": _rarely_secret}
    return {name: _filled(make, draw) for name, make in sorts.items()}


def dense(seed: int) -> dict[str, str]:
    """A handbook on passwords and keys, and a list of numbers that resemble cards."""
    draw = random.Random(seed)
    sorts = {"names of secrets in every sentence": lambda draw: draw.choice(PROSE), "order numbers": _order}
    return {name: _filled(make, draw) for name, make in sorts.items()}


def hostile(seed: int) -> dict[str, str]:
    """Texts of one repeated piece and of random combinations, by their pieces."""
    draw = random.Random(seed)
    mixes = [draw.sample(HOSTILE, draw.randint(2, 6)) for _ in range(_MIXED)]
    return {repr(pieces): _filled(_chooser(pieces), draw, "") for pieces in ([[one] for one in HOSTILE] + mixes)}


def _chooser(pieces: list[str]) -> Make:
    return lambda draw: draw.choice(pieces)


def _filled(make: Make, draw: random.Random, between: str = "\n") -> str:
    """Repeat pieces up to 100 KB of UTF-8."""
    parts: list[str] = []
    size = 0
    while size < BYTES:
        parts.append(make(draw))
        size += len(parts[-1].encode()) + len(between)
    return between.join(parts).encode()[:BYTES].decode(errors="ignore")


def _prose(draw: random.Random) -> str:
    return draw.choice(DOCUMENTS)[0]


def _log(draw: random.Random) -> str:
    moment = f"2026-03-{draw.randrange(1, 29):02}T{draw.randrange(24):02}:{draw.randrange(60):02}:07Z"
    return (
        f"{moment} INFO job={uuid(draw)} took_ms={draw.randrange(9000)} GET /orders/{draw.randrange(10**9)}?page=2 200"
    )


def _record(draw: random.Random) -> str:
    return json.dumps(
        {
            "id": uuid(draw), "key": f"row-{draw.randrange(10**6)}", "owner": draw.choice(("Ida", "Tomas", "Edda")),
            "paid": draw.random() < 0.5, "total": draw.randrange(10**5) / 100, "tags": ["mill", "weir"],
        }
    )  # fmt: skip


def _order(draw: random.Random) -> str:
    """Numbers that resemble card numbers."""
    digits = f"{draw.randrange(2, 7)}{draw.randrange(10**14):014}"
    return (
        f"Order {digits}{(int(luhn_digit(digits)) + 3) % 10} of customer {draw.randrange(10**9):09}: paid, thank you."
    )


def _rarely_secret(draw: random.Random) -> str:
    if draw.random() > 0.04:
        return _prose(draw)
    if draw.random() < 0.5:
        return f"The new one is {draw.choice(list(TOKENS.values()))(draw)}."
    _, forms, make = draw.choice(NAMED)
    return draw.choice(forms).format(make(draw))
