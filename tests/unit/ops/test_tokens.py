"""`docqa tokens`, on a file."""

import json
import re
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from contract.errors import AlreadyRunningError, DocQAError
from contract.runtime.lock import FileLock
from contract.token_file import Token, TokensFile, decode, digest_of, encode
from ops.commands.tokens import command


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens.json"


def run(path: Path, *arguments: str) -> str:
    """What the command prints on stdout; raises what it raises."""
    done = CliRunner().invoke(command, [*arguments, "--file", str(path)], catch_exceptions=True)
    if done.exception:
        raise done.exception
    return done.stdout


def created(path: Path, *arguments: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(run(path, "create", *arguments, "--json"))
    return made


def tokens(path: Path) -> tuple[Token, ...]:
    return decode(path.read_bytes()).tokens


def test_a_token_is_shown_once_and_alone_on_stdout(path: Path) -> None:
    secret = run(path, "create", "alice").strip()
    assert re.fullmatch(r"dq_[A-Za-z0-9_-]{43}", secret)
    [token] = tokens(path)
    assert token.sha256 == digest_of(secret.encode()).hex()
    assert secret not in path.read_text() + run(path, "list") + run(path, "list", "--json")


def test_the_file_is_its_owners_alone(path: Path) -> None:
    created(path, "alice")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_is_wished_is_written(path: Path) -> None:
    options = ["--rights", "query,admin", "--share", "0.25", "--rate", "9/hour", "--expires", "2199-01-31"]
    made = created(path, "alice", *options)
    [token] = tokens(path)
    assert (token.rights, token.share, str(token.rate)) == (("query", "admin"), 0.25, "9/hour")
    assert token.expires == datetime(2199, 1, 31, tzinfo=UTC)
    assert (made["name"], made["id"], made["file"]) == ("alice", token.shown, str(path))


def test_a_number_of_days_is_counted_from_now(path: Path) -> None:
    created(path, "alice", "--expires", "90d")
    expires = tokens(path)[0].expires
    assert expires
    assert timedelta(days=89, hours=23) < expires - datetime.now(UTC) <= timedelta(days=90)


@pytest.mark.parametrize(
    "options",
    [
        ["--rights", "root"],
        ["--rights", ""],
        ["--share", "0"],
        ["--share", "2"],
        ["--share", "half"],
        ["--share", "nan"],
        ["--rate", "fast"],
        ["--expires", "2001-01-01"],
        ["--expires", "0d"],
        ["--expires", "soon"],
    ],
)
def test_a_bad_option_makes_no_token(path: Path, options: list[str]) -> None:
    with pytest.raises(SystemExit):
        run(path, "create", "alice", *options)
    assert not path.exists()


@pytest.mark.parametrize("name", ["Alice", "a.b", "a b", "ä", "x" * 65])
def test_a_name_that_can_be_no_client_makes_no_token(path: Path, name: str) -> None:
    with pytest.raises(DocQAError, match="a name has 1 to 64 characters"):
        run(path, "create", name)
    assert not path.exists()


def test_for_a_rotation_the_second_token_is_like_the_first(path: Path) -> None:
    created(path, "alice", "--share", "0.5", "--rate", "1/second", "--expires", "1d")
    created(path, "alice", "--rate", "2/second")
    assert [(token.share, str(token.rate)) for token in tokens(path)] == [(0.5, "1/second"), (0.5, "2/second")]
    assert tokens(path)[1].expires is None


def test_a_third_token_is_made_only_when_one_has_expired_or_is_revoked(path: Path) -> None:
    first, _ = created(path, "alice"), created(path, "alice")
    with pytest.raises(DocQAError, match=rf"alice has 2 tokens: revoke one first \({first['id']}, "):
        run(path, "create", "alice")
    created(path, "bob")
    run(path, "revoke", first["id"])
    created(path, "alice")
    long_ago = datetime(2001, 1, 1, tzinfo=UTC)
    old = tuple(Token(name=t.name, sha256=t.sha256, created=long_ago, expires=long_ago) for t in tokens(path))
    path.write_bytes(encode(TokensFile(tokens=old)))
    created(path, "alice")
    assert [(token.name, token.is_expired()) for token in tokens(path)] == [("bob", True), ("alice", False)]


def test_a_name_revokes_all_of_its_tokens(path: Path) -> None:
    for name in ("alice", "bob", "alice"):
        created(path, name)
    assert run(path, "revoke", "alice").count("alice") == 2
    assert [token.name for token in tokens(path)] == ["bob"]


def test_the_beginning_of_an_id_or_the_token_itself_revokes_one(path: Path) -> None:
    made = [created(path, name) for name in ("alice", "alice", "bob")]
    run(path, "revoke", made[0]["id"][:6])
    run(path, "revoke", made[2]["token"])
    assert [token.shown for token in tokens(path)] == [made[1]["id"]]


def test_what_means_none_or_several_revokes_nothing(path: Path) -> None:
    now = datetime.now(UTC)
    listed = tuple(Token(name=f"c{n}", sha256=f"abcd{n:060x}", created=now) for n in range(2))
    path.write_bytes(encode(TokensFile(tokens=listed)))
    with pytest.raises(DocQAError, match="More than one token begins with abcd"):
        run(path, "revoke", "abcd")
    for nothing in ("abc", "carol", "beef", ""):
        with pytest.raises(DocQAError, match="no such token"):
            run(path, "revoke", nothing)
    assert len(tokens(path)) == 2


def test_the_list_says_what_each_allows(path: Path) -> None:
    assert run(path, "list", "--json") == "[]\n"
    created(path, "alice", "--share", "0.5")
    [listed] = json.loads(run(path, "list", "--json"))
    assert (listed["name"], listed["rights"], listed["share"], listed["rate"]) == ("alice", ["query"], 0.5, None)
    head, row = run(path, "list").splitlines()
    assert head.split() == ["name", "id", "rights", "share", "rate", "created", "expires"]
    assert row.split()[:5] == ["alice", listed["id"], "query", "0.5", "-"]


def test_a_broken_file_is_not_written_over(path: Path) -> None:
    path.write_text("{")
    with pytest.raises(DocQAError, match="can't be understood"):
        run(path, "create", "alice")
    assert path.read_text() == "{"


def test_two_changes_at_once_lose_nothing(path: Path) -> None:
    lock = FileLock(path.with_name("tokens.json.lock"))
    lock.acquire()
    with pytest.raises(AlreadyRunningError, match="is changing"):
        run(path, "create", "alice")
    lock.release()
    created(path, "alice")


def test_without_a_file_named_it_is_in_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCQA_DATA_DIR", str(tmp_path / "data"))
    assert CliRunner().invoke(command, ["create", "alice"]).exit_code == 0
    monkeypatch.setenv("DOCQA_TOKENS", str(tmp_path / "other.json"))
    assert CliRunner().invoke(command, ["create", "bob"]).exit_code == 0
    assert tokens(tmp_path / "data" / "tokens.json")[0].name == "alice"
    assert tokens(tmp_path / "other.json")[0].name == "bob"
