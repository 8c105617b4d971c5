"""Messages that no publisher should send, drawn from a seed: what to publish and what must become of it."""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import msgspec

PREFIX = "docqa.jobs."
HUGE_BYTES = 700_000


class Malformed(msgspec.Struct, frozen=True):
    """One message. `has_name`: its subject is in order, so its publisher is owed a result."""

    subject: str
    body: bytes
    has_name: bool
    is_certain: bool = True
    """False where a reader may also take it for a question."""


def malformed_messages(rng: random.Random, count: int) -> Iterator[Malformed]:
    """`count` messages of all kinds, in random order."""
    kinds: list[Callable[[random.Random], Malformed]] = [_broken_json, _wrong_type, _binary, _wrong_type, _bad_name]
    rare: list[Callable[[random.Random], Malformed]] = [_huge, _deep, _oversized_question]
    chosen = [kinds[n % len(kinds)] if n % 25 else rare[n // 25 % len(rare)] for n in range(count)]
    rng.shuffle(chosen)
    return (make(rng) for make in chosen)


def _uuid(rng: random.Random) -> str:
    return str(UUID(int=rng.getrandbits(128), version=4))


def _named(rng: random.Random, body: bytes, *, is_certain: bool = True) -> Malformed:
    return Malformed(f"{PREFIX}tester.c1.{_uuid(rng)}", body, has_name=True, is_certain=is_certain)


def _question(rng: random.Random, **fields: Any) -> bytes:
    return json.dumps({"v": 1, "query": f"Question {rng.random()}?"} | fields).encode()


def _broken_json(rng: random.Random) -> Malformed:
    whole = _question(rng, context="a document")
    bodies = [
        b"",
        b" ",
        b"{",
        b"}",
        b"nonsense",
        b"null",
        b"true",
        b"3",
        b'"query"',
        b"[]",
        b"[[{}]]",
        b"{'query': 'single quotes'}",
        b'{"query": NaN}',
        b'{"query": "a" "b"}',
        b'{"query": "lone \\ud800 surrogate"}',
        whole[: rng.randrange(1, len(whole) - 1)],
        whole + b"}",
        b"\xef\xbb\xbf\xef\xbb\xbf" + whole,
        whole.replace(b'"', b""),
    ]
    return _named(rng, rng.choice(bodies))


def _wrong_type(rng: random.Random) -> Malformed:
    values: dict[str, list[Any]] = {
        "v": [0, -1, "one", None, 1.5, [], {}],
        "query": [None, 5, [], {}, True, "", "   ", "\n\t"],
        "context": [7, ["a"], {"text": "b"}],
        "max_tokens": [0, -5, 10**12, 10**30, "many", 1.5, [128]],
        "temperature": [-1, 3, "hot", 1e308],
        "top_p": [0, 1.1, -0.5, "all"],
        "seed": [-1, 2**32, 2**70, "x", 0.5],
        "stop": [[1], [""], ["a"] * 9, [None], {}, ["x" * 300]],
        "deadline_s": [0, -1, 1e9, "soon"],
    }
    field = rng.choice(list(values))
    if field == "query" and rng.random() < 0.3:
        return _named(rng, b'{"v":1,"context":"no question"}')
    return _named(rng, _question(rng, **{field: rng.choice(values[field])}))


def _binary(rng: random.Random) -> Malformed:
    noise = rng.randbytes(rng.randrange(1, 2000))
    bodies = [
        noise,
        b"\x00" * 100,
        b'{"query": "\xff\xfe"}',
        b'{"query": "\xc3"}',
        b'{"v":1,"query":"' + noise.replace(b'"', b"") + b"\xff" + b'"}',
        b"\x1f\x8b\x08" + noise,
    ]
    return _named(rng, rng.choice(bodies))


def _bad_name(rng: random.Random) -> Malformed:
    job_id = _uuid(rng)
    names = [
        f"Tester.c1.{job_id}",
        f"tester.C1.{job_id}",
        f"tester.c1.{job_id.upper()}",
        f"tester.c1.{job_id.replace('-', '')}",
        f"tester.c1.{{{job_id}}}",
        f"tester.c1.not-a-uuid-{rng.random():.9f}".replace("0.", ""),
        f"tester.{'c' * 65}.{job_id}",
        f"{'p' * 300}.c1.{job_id}",
        f"t\u00e9ster.c1.{job_id}",
        f"tester.c1.\u2028{job_id}",
        f"tester.c$1.{job_id}",
        f"tester.c/\\d.{job_id}",
        f"tester.c1.{job_id}-{'0' * 500}",
        f"tester.c1.*{job_id}",
        f"tester.c1.>{job_id}",
        f"tester.c=1.{job_id}",
    ]
    return Malformed(PREFIX + rng.choice(names), _question(rng), has_name=False)


def _huge(rng: random.Random) -> Malformed:
    size = rng.choice([HUGE_BYTES, 3 * HUGE_BYTES])
    bodies = [
        b"x" * size,
        b'{"v":1,"query":' + b"9" * size + b"}",
        b'{"v":1,"query":"' + b"y" * size,
        b'{"v":1,"query":"x","max_tokens":1e' + b"9" * 5000 + b"}",
        b'{"v":' + b"1" * 50_000 + b',"query":"x"}',
    ]
    return _named(rng, rng.choice(bodies))


def _deep(rng: random.Random) -> Malformed:
    bodies = [
        b"[" * 100_000,
        b'{"v":1,"query":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' * 50_000,
        b'{"v":1,"query":"x","stop":' + b"[" * 2_000 + b"]" * 2_000 + b"}",
    ]
    if rng.random() < 0.2:
        unknown = b'{"v":1,"query":"x","unknown":' + b"[" * 50_000 + b"]" * 50_000 + b"}"
        return _named(rng, unknown, is_certain=False)
    return _named(rng, rng.choice(bodies))


def _oversized_question(rng: random.Random) -> Malformed:
    return _named(rng, _question(rng, context="\u00e9" * (HUGE_BYTES // 6)), is_certain=False)
