"""What a look at one thing came to: fine, worth a word, or in the way; and what to do about it."""

from typing import Literal

import msgspec

Status = Literal["ok", "warning", "failure"]


class Finding(msgspec.Struct, frozen=True):
    """`cure` says what to do; it is empty only where nothing is to be done."""

    name: str
    status: Status
    detail: str
    cure: str = ""


def ok(name: str, detail: str) -> Finding:
    return Finding(name, "ok", detail)


def warning(name: str, detail: str, cure: str) -> Finding:
    return Finding(name, "warning", detail, cure)


def failure(name: str, detail: str, cure: str) -> Finding:
    return Finding(name, "failure", detail, cure)


def size(count: float) -> str:
    """Bytes as people read them."""
    return f"{count / 2**30:,.1f} GiB" if count >= 2**30 else f"{count / 2**20:,.0f} MiB"
