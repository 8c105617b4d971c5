"""`docqa ask`: one question about documents, whose answer is printed while it is generated."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from contract.errors import DocQAError
from contract.settings import load
from ops.client import RESTART, Client, RefusedError
from ops.console import Console
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
    help="A document as UTF-8 text; - reads stdin. Several are joined.",
)
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
    if documents and context is not None:
        raise click.UsageError("Use either --context or --document.")
    document = "\n\n".join(_read(path) for path in documents) if documents else context
    fields = {"query": question, "context": document, "style": style, "max_tokens": max_tokens}
    body = {name: value for name, value in fields.items() if value is not None}
    settings = load(UpSettings, environment_with(DOCQA_DATA_DIR=data_dir))
    with Client.of(target, settings) as client, Console(quiet=as_json or not sys.stderr.isatty()) as console:
        console.work("Waiting for the answer")
        if as_json:
            _print_json(client, body)
        else:
            _print_pieces(client, body, console)


def _print_json(client: Client, body: Mapping[str, object]) -> None:
    try:
        click.echo(json.dumps(client.ask(body), ensure_ascii=False))
    except RefusedError as error:
        if error.document:
            click.echo(json.dumps(error.document))
        raise


def _print_pieces(client: Client, body: Mapping[str, object], console: Console) -> None:
    """Print each piece as it arrives; pieces of an interrupted attempt stay on the screen."""
    for piece in client.stream(body):
        console.rest()
        if isinstance(piece, dict):
            click.echo()
            _print_sources(piece)
        elif piece is RESTART:
            click.echo()
            console.warn("The attempt was interrupted and starts again:")
        else:
            click.echo(piece, nl=False)


def _print_sources(answer: Mapping[str, Any]) -> None:
    """Where the answer stands in the document, and whether the document seems to hold it at all."""
    for number, cited in enumerate(answer.get("citations", ()), 1):
        said = "" if answer["answer_from"] == "quote" else f": {' '.join(cited['quote'].split())}"
        click.echo(f"  [{number}] characters {cited['start']} to {cited['end']}{said}")
    if answer.get("answerable") is False:
        click.echo(f"The document does not seem to say this (support {answer['support']:.2f} of 1).", err=True)


def _read(path: Path) -> str:
    try:
        content = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        return content.decode("utf-8-sig")
    except OSError as error:
        raise DocQAError(f"--document: cannot read {path}: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise DocQAError(
            f"--document: {path} is not UTF-8 text (byte {error.start}): convert it, for instance with iconv."
        ) from None
