"""Model files that hold no model: a header as GGUF has it, and something for weights."""

import struct
from pathlib import Path


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def gguf(**extra: str) -> bytes:
    """A header with a text, a number, an array and a long template; then what would be weights."""
    pairs = [
        text("general.architecture") + struct.pack("<I", 8) + text("llama"),
        text("llama.context_length") + struct.pack("<II", 4, 2048),
        text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("b"),
        text("tokenizer.chat_template") + struct.pack("<I", 8) + text("x" * 5000),
        *(text(name.replace("__", ".")) + struct.pack("<I", 8) + text(value) for name, value in extra.items()),
    ]
    return struct.pack("<4sIQQ", b"GGUF", 3, 0, len(pairs)) + b"".join(pairs) + b"weights" * 1000


def replace(path: Path, content: bytes) -> None:
    """As a download does it."""
    new = path.with_suffix(".new")
    new.write_bytes(content)
    new.replace(path)
