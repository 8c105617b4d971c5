"""The result of one check: ok, warning or failure, and what to do about it."""

from typing import Literal

import msgspec

Status = Literal["ok", "warning", "failure"]


class Finding(msgspec.Struct, frozen=True):
    """`cure` says what to do; it is empty only if nothing needs to be done."""

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
    """A number of bytes for people."""
    return f"{count / 2**30:,.1f} GiB" if count >= 2**30 else f"{count / 2**20:,.0f} MiB"
