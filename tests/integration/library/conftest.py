"""Reads bytes as a user's file would be read."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from library.readers import Limits, Reading, ReadingFailed, read_file

Read = Callable[..., Awaitable[Reading]]
Refused = Callable[..., Awaitable[ReadingFailed]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads bytes under a name; everything else as `read_file` takes it."""

    async def read_bytes(content: bytes, name: str = "file", limits: Limits = Limits()) -> Reading:
        path = tmp_path / "document"
        path.write_bytes(content)
        return await read_file(path, name=name, limits=limits)

    return read_bytes


@pytest.fixture
def refused(read: Read) -> Refused:
    """Reads bytes that can't be read, and returns why."""

    async def read_bytes(content: bytes, name: str = "file", limits: Limits = Limits()) -> ReadingFailed:
        with pytest.raises(ReadingFailed) as failure:
            await read(content, name, limits)
        sentence = failure.value.sentence
        assert len(sentence) < 350
        assert "\n" not in sentence
        assert sentence.endswith(".")
        return failure.value

    return read_bytes
