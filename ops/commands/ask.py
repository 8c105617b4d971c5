"""`docqa ask`: one question about documents, whose answer is printed while it is generated."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from contract.errors import DocQAError
from contract.runtime.terminal import echo
from contract.settings import load
from ops.client import RESTART, Client, RefusedError
from ops.console import Console
from ops.documents.uploads import upload_all
from ops.options import data_dir_option, environment_with, json_option, target_option
from ops.settings import UpSettings


@click.command("ask")
@click.argument("question")
@click.option(
    "--document",
    "--context-file",
    "documents",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A document; - reads text from stdin. Text goes along with the question; other files join your documents.",
)
@click.option("--id", "ids", multiple=True, help="A document of the library, by its id; may be repeated.")
@click.option("--space", help="All documents of a space of the library.")
@click.option("--path", "root_path", help="A file or folder below DOCQA_ROOT.")
@click.option("--context", help="The text of the document.")
@click.option(
    "--style",
    type=click.Choice(("auto", "write", "quote")),
    help="write: the model's own words; quote: the document's sentences. [default: auto]",
)
@click.option("--max-tokens", type=click.IntRange(1), help="Length limit of the answer, in tokens. [default: 128]")
@target_option
@data_dir_option
@json_option
def command(
    question: str,
    documents: tuple[Path, ...],
    ids: tuple[str, ...],
    space: str | None,
    root_path: str | None,
    context: str | None,
    style: str | None,
    max_tokens: int | None,
    target: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Ask QUESTION about a document and print the answer while it is generated.

    Exit status: 0 answered, 1 refused or failed, 75 try again later (the queue is full or the message bus unavailable).
    """
    if sum(map(bool, (documents, ids, space, root_path, context is not None))) > 1:
        raise click.UsageError("Use one of --document, --context, --id, --space and --path.")
    _check_text("QUESTION", question)
    _check_text("--context", context or "")
    settings = load(UpSettings, environment_with(DOCQA_DATA_DIR=data_dir))
    with Client.of(target, settings) as client, Console(quiet=as_json or not sys.stderr.isatty()) as console:
        texts = [_read(path) for path in documents]
        if None in texts:
            console.work("Bringing the document in")
            ids, texts = tuple(_brought_in(client, path) for path in documents), []
        fields = {
            "query": question,
            "context": context if context is not None else "\n\n".join(filter(None, texts)) or None,
            "documents": list(ids) or None,
            "space": space,
            "path": root_path,
            "style": style,
            "max_tokens": max_tokens,
        }
        body = {name: value for name, value in fields.items() if value is not None}
        console.work("Waiting for the answer")
        if as_json:
            _print_json(client, body)
        else:
            _print_pieces(client, body, console)


def _print_json(client: Client, body: Mapping[str, object]) -> None:
    try:
        echo(json.dumps(client.ask(body), ensure_ascii=False))
    except RefusedError as error:
        if error.document:
            echo(json.dumps(error.document))
        raise


def _print_pieces(client: Client, body: Mapping[str, object], console: Console) -> None:
    """Print each piece as it arrives; pieces of an interrupted attempt stay on the screen."""
    for piece in client.stream(body, lambda queued: console.work(f"Waiting for the answer: {queued.in_words}")):
        console.rest()
        if isinstance(piece, dict):
            echo()
            _print_sources(piece)
        elif piece is RESTART:
            echo()
            console.warn("The attempt was interrupted and starts again:")
        else:
            echo(piece, nl=False)


def _print_sources(answer: Mapping[str, Any]) -> None:
    """Print where the document supports the answer, and whether it seems to contain one at all."""
    for number, cited in enumerate(answer.get("citations", ()), 1):
        quote = "" if answer["answer_from"] == "quote" else f": {' '.join(cited['quote'].split())}"
        echo(f"  [{number}] {_location(cited)}{quote}")
    if answer.get("answerable") is False and answer.get("citations"):
        echo(f"The document does not seem to say this (support {answer['support']:.2f} of 1).", err=True)


def _check_text(name: str, text: str) -> None:
    """Raises DocQAError for an argument whose bytes are not text in this terminal's encoding."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise DocQAError(
            f"{name}: {text!r} is not UTF-8 text: convert it, for instance with iconv, or use a UTF-8 locale."
        ) from None


def _location(cited: Mapping[str, Any]) -> str:
    """The source of a citation: the document and its page, or the characters of a text that came with the question."""
    if not cited.get("document"):
        return f"characters {cited['start']} to {cited['end']}"
    return f"{cited['name']}, page {cited['page']}" if cited.get("page") else str(cited["name"])


def _read(path: Path) -> str | None:
    """A file's text; None where it is no text, so that the library has to read it."""
    try:
        content = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise DocQAError(f"--document: cannot read {path}: {error.strerror}.") from None
    if b"\0" in content or content.startswith(b"%PDF"):
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def _brought_in(client: Client, path: Path) -> str:
    """The id of the file in the library, once it is read; raises DocQAError with the reason where it can't be."""
    [outcome] = upload_all(client, [path], "", wait=True, on_change=lambda _path, _state: None)
    if not outcome.is_good:
        raise DocQAError(f"--document: {path}: {outcome.problem or outcome.document.get('detail')}")
    return str(outcome.document["id"])
