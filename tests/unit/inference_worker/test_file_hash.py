import hashlib
import json
from pathlib import Path

from inference_worker.model_files.file_hash import sha256_of


def test_a_file_that_is_gone_is_not_remembered(tmp_path: Path) -> None:
    memory, first, second = tmp_path / "hashes.json", tmp_path / "first.gguf", tmp_path / "second.gguf"
    first.write_bytes(b"1")
    second.write_bytes(b"2")
    sha256_of(first, memory)
    first.unlink()
    assert sha256_of(second, memory) == hashlib.sha256(b"2").hexdigest()
    assert list(json.loads(memory.read_bytes())) == [str(second)]
