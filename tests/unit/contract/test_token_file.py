"""Tokens, and the file that lists them."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contract.errors import SettingsError
from contract.rate import Rate
from contract.sanitize import sanitize
from contract.token_file import MAX_PER_NAME, Token, TokensFile, TokensFileError, decode, digest_of, encode, new_token
from ingress.auth.token_watch import TokensOnDisk

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def token(name: str = "alice", number: int = 1, **fields: Any) -> Token:
    return Token(name=name, sha256=f"{number:064x}", created=NOW, **fields)


def written(*tokens: dict[str, Any], **fields: Any) -> bytes:
    """A file with these tokens, each with what it needs at least."""
    least = {"name": "alice", "created": "2030-01-01T00:00:00Z"}
    listed = [{**least, "sha256": f"{number:064x}", **one} for number, one in enumerate(tokens)]
    return json.dumps({"v": 1, "tokens": listed, **fields}).encode()


def test_a_new_token_is_one_of_its_kind_and_looks_like_one() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(re.fullmatch(r"dq_[A-Za-z0-9_-]{43}", one) for one in tokens)
    assert sanitize(f"use {min(tokens)}.").text == "use [REDACTED:docqa-token]."


def test_what_is_written_is_read_again() -> None:
    expires = NOW + timedelta(days=1)
    file = TokensFile(
        tokens=(token(rights=("query", "admin"), share=0.25, rate=Rate("9/hour"), expires=expires), token("bob", 2))
    )
    assert decode(encode(file)) == file


def test_the_file_does_not_hold_what_opens_the_door() -> None:
    secret = new_token()
    content = encode(TokensFile(tokens=(Token(name="a", sha256=digest_of(secret.encode()).hex(), created=NOW),)))
    assert secret.encode() not in content


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "truncated"),
        (b"\xff\xfe", "can't be understood"),
        (b"[]", "Expected `object`"),
        (written({"name": "Alice"}), "a name has 1 to 64 characters"),
        (written({"name": "a.b"}), "tokens[0]"),
        (written({}, {"sha256": "abc"}), "tokens[1].sha256"),
        (written({"rights": ["root"]}), "tokens[0].rights[0]"),
        (written({"share": 0}), "tokens[0].share"),
        (written({"share": 1.5}), "tokens[0].share"),
        (written({"rate": "fast"}), "as in 100/minute"),
        (written({"expires": "tomorrow"}), "tokens[0].expires"),
        (written({"expires": "2030-01-01T00:00:00"}), "tokens[0].expires"),
        (written({"colour": "red"}), "colour"),
        (written({}, {}, {}), f"alice has 3 tokens and may have {MAX_PER_NAME}"),
        (written({"sha256": "0" * 64}, {"name": "bob", "sha256": "0" * 64}), "listed twice"),
        (written({}, v=2), "v"),
    ],
)
def test_a_file_that_is_wrong_is_told_by_its_place(content: bytes, said: str) -> None:
    with pytest.raises(TokensFileError, match=re.escape(said)) as refused:
        decode(content)
    assert "\n" not in str(refused.value)


def test_a_token_expires_at_its_moment() -> None:
    limited = token(expires=NOW)
    assert limited.is_expired(NOW)
    assert not limited.is_expired(NOW - timedelta(microseconds=1))
    assert not token().is_expired(NOW + timedelta(days=36_500))


def test_a_start_does_without_no_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^DOCQA_TOKENS: can't read .*none\.json: No such file") as refused:
        TokensOnDisk(tmp_path / "none.json").read_first()
    assert "docqa tokens create" in str(refused.value)


def test_a_token_in_the_place_of_its_file_is_not_told() -> None:
    secret = new_token()
    with pytest.raises(SettingsError) as refused:
        TokensOnDisk(Path(secret)).read_first()
    assert secret not in str(refused.value)


def test_a_file_is_read_again_when_it_was_written_and_only_then(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    path.write_bytes(written({}))
    tokens = TokensOnDisk(path)
    assert len(tokens.read_first().tokens) == 1
    assert tokens.read_if_changed() is None
    path.write_bytes(written({}, {}))
    changed = tokens.read_if_changed()
    assert changed
    assert len(changed.tokens) == 2
    assert tokens.read_if_changed() is None


def test_a_file_of_the_same_size_and_time_but_another_is_read(tmp_path: Path) -> None:
    path, other = tmp_path / "tokens.json", tmp_path / "other.json"
    path.write_bytes(written({"name": "anna"}))
    tokens = TokensOnDisk(path)
    tokens.read_first()
    other.write_bytes(written({"name": "emma"}))
    other.replace(path)
    changed = tokens.read_if_changed()
    assert changed
    assert changed.tokens[0].name == "emma"


@pytest.mark.parametrize("trouble", ["broken", "gone"])
def test_a_file_that_cant_be_read_any_more_is_told_once_and_forgotten_when_it_can(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], trouble: str
) -> None:
    path = tmp_path / "tokens.json"
    path.write_bytes(written({}))
    tokens = TokensOnDisk(path)
    tokens.read_first()
    path.unlink() if trouble == "gone" else path.write_bytes(b"{")
    for _ in range(3):
        assert tokens.read_if_changed() is None
        assert tokens.error
    assert capsys.readouterr().out.count("those read before stay in force") == 1
    path.write_bytes(written({}, {"name": "bob"}))
    assert tokens.read_if_changed()
    assert tokens.error is None
