"""Ids that whoever knows what they are made of can make again: nothing has to be remembered between two tries."""

import hashlib

from uuid_utils import uuid8


def derived_id(*parts: str) -> str:
    """RFC 9562, version 8: the first bits of a SHA-256 of the parts (none holds a NUL)."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    high, middle, low = (int.from_bytes(digest[part]) for part in (slice(6), slice(6, 8), slice(8, 16)))
    return str(uuid8(high, middle & 0xFFF, low & (2**62 - 1)))
