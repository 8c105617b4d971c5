"""`docqa tokens`: creates, lists and revokes bearer tokens in a file, which the ingress reloads by itself."""

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, get_args

import click
import msgspec

from contract import token_file
from contract.errors import AlreadyRunningError, DocQAError
from contract.rate import Rate
from contract.runtime.files import write_atomically
from contract.runtime.lock import FileLock
from contract.runtime.terminal import echo
from contract.settings import load
from contract.token_file import MAX_PER_NAME, Right, Token, TokensFile
from ops.options import environment_with, json_option
from ops.settings import UpSettings

_RIGHTS: Final = get_args(Right)
_SHORTEST_ID: Final = 4
_DAYS: Final = re.compile(r"([1-9][0-9]{0,4})d")

file_option = click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path),
    envvar="DOCQA_TOKENS",
    help="File of the tokens. [default: DOCQA_TOKENS, else tokens.json in the data folder]",
)


class _Parsed(click.ParamType[Any]):
    """A parameter parsed by a function; the text of its ValueError is shown to the user."""

    def __init__(self, name: str, parse: Any) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


def _rights(text: str) -> tuple[Right, ...]:
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if not set(names) <= set(_RIGHTS):
        raise ValueError(f"Expected one or more of {', '.join(_RIGHTS)}, separated by commas")
    return msgspec.convert(names, tuple[Right, ...])


def _share(text: str) -> float:
    share = float(text)
    if not 0 < share <= 1:  # false for NaN too
        raise ValueError("Expected a number above 0 and at most 1")
    return share


def _moment(text: str) -> datetime:
    """A number of days from now, or a date with or without a time, in UTC unless it has a zone."""
    now = datetime.now(UTC).replace(microsecond=0)
    if days := _DAYS.fullmatch(text):
        return now + timedelta(days=int(days[1]))
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if moment <= now:
        raise ValueError("Expected a time in the future")
    return moment


@click.group("tokens")
def command() -> None:
    """Create, list and revoke the tokens in the file that DOCQA_TOKENS names.

    The ingress reloads the file within a second of a change.
    """


@command.command("create")
@click.argument("name")
@click.option(
    "--rights", type=_Parsed("LIST", _rights), help="One or more of query, admin and on-behalf. [default: query]"
)
@click.option("--share", type=_Parsed("FRACTION", _share), help="Share of the queue. [default: DOCQA_CLIENT_SHARE]")
@click.option(
    "--rate", type=_Parsed("COUNT/WINDOW", Rate), help="Rate limit, as in 100/minute. [default: DOCQA_RATE_LIMIT]"
)
@click.option("--expires", type=_Parsed("DATE|DAYS", _moment), help="As in 2030-01-31 or 90d. [default: never]")
@file_option
@json_option
def create(name: str, path: Path | None, as_json: bool, expires: datetime | None, **wishes: Any) -> None:
    """Create a token for the client NAME and show it, once.

    A client may have two, so that the new one is in use before the old one is revoked. The second one inherits the
    rights, share and rate of the first unless options change them.
    """
    secret = token_file.new_token()
    with _changing(_path(path)) as file:
        others = [token for token in file if token.name != name]
        own = [token for token in file if token.name == name and not token.is_expired()]
        if len(own) >= MAX_PER_NAME:
            raise DocQAError(f"{name} has {MAX_PER_NAME} tokens: revoke one first ({_ids(own)}).")
        made = _new(name, secret, expires, own[-1] if own else None, wishes)
        file[:] = [*others, *own, made]
    if as_json:
        echo(json.dumps({"token": secret, **_described(made), "file": str(_path(path))}))
        return
    echo(f"The token of {name}, shown only this once ({made.shown} in lists and logs):", err=True)
    echo(secret)
    echo(f"It is valid for an ingress that runs with DOCQA_TOKENS={_path(path)}", err=True)


@command.command("list")
@file_option
@json_option
def list_tokens(path: Path | None, as_json: bool) -> None:
    """List the tokens with their clients and rights."""
    found = [_described(token) for token in _read(_path(path)).tokens]
    echo(json.dumps(found) if as_json else _table(found))


@command.command("revoke")
@click.argument("which", metavar="NAME|ID|TOKEN")
@file_option
@json_option
def revoke(which: str, path: Path | None, as_json: bool) -> None:
    """Revoke all tokens of a NAME, or one by its ID in the list, or by the TOKEN itself."""
    with _changing(_path(path)) as file:
        gone = _meant(which, file)
        file[:] = [token for token in file if token not in gone]
    described = [_described(token) for token in gone]
    echo(json.dumps(described) if as_json else f"Revoked: {', '.join(f'{t.name} {t.shown}' for t in gone)}.")


def _new(name: str, secret: str, expires: datetime | None, former: Token | None, wishes: Mapping[str, Any]) -> Token:
    kept = {field: getattr(former, field) for field in wishes if former}
    wished = {field: value for field, value in wishes.items() if value is not None}
    digest = token_file.digest_of(secret.encode()).hex()
    created = datetime.now(UTC).replace(microsecond=0)
    try:
        return Token(name=name, sha256=digest, created=created, expires=expires, **{**kept, **wished})
    except ValueError as error:
        raise DocQAError(f"NAME: {error}.") from None


def _meant(which: str, file: list[Token]) -> list[Token]:
    digest = token_file.digest_of(which.encode()).hex()
    named = [token for token in file if token.name == which or token.sha256 == digest]
    begun = [token for token in file if len(which) >= _SHORTEST_ID and token.sha256.startswith(which)]
    if not named and len(begun) > 1:
        raise DocQAError(f"More than one token begins with {which} ({_ids(begun)}): give more characters.")
    if not named and not begun:
        raise DocQAError("There is no such token: `docqa tokens list` shows all.")
    return named or begun


@contextlib.contextmanager
def _changing(path: Path) -> Iterator[list[Token]]:
    """The tokens of the file, which are written back if the block ends without an error."""
    lock = FileLock(path.with_name(f"{path.name}.lock"))
    try:
        lock.acquire()
    except AlreadyRunningError:
        raise AlreadyRunningError(f"Process {lock.holder() or 'unknown'} is changing {path}: try again.") from None
    try:
        file = list(_read(path).tokens)
        yield file
        write_atomically(path, token_file.encode(TokensFile(tokens=tuple(file))), mode=0o600)
    finally:
        lock.release()


def _read(path: Path) -> TokensFile:
    try:
        return token_file.decode(path.read_bytes())
    except FileNotFoundError:
        return TokensFile()


def _path(given: Path | None) -> Path:
    return (given or load(UpSettings, environment_with()).data_dir / "tokens.json").expanduser().absolute()


def _described(token: Token) -> dict[str, Any]:
    return {
        "name": token.name,
        "id": token.shown,
        "rights": list(token.rights),
        "share": token.share,
        "rate": str(token.rate) if token.rate else None,
        "created": token.created.isoformat(),
        "expires": token.expires.isoformat() if token.expires else None,
        "expired": token.is_expired(),
    }


def _ids(found: list[Token]) -> str:
    return ", ".join(token.shown for token in found)


def _table(found: list[dict[str, Any]]) -> str:
    heads = ("name", "id", "rights", "share", "rate", "created", "expires")
    rows = [heads, *(tuple(_cell(token, head) for head in heads) for token in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines)


def _cell(token: Mapping[str, Any], head: str) -> str:
    value = token[head]
    if head == "expires" and token["expired"]:
        return f"{value} (expired)"
    return ",".join(value) if isinstance(value, list) else "-" if value is None else str(value)
