"""`docqa ask`: one question about a document, answered on the terminal."""

import json
import sys
from pathlib import Path

import click

from contract.errors import DocQAError
from contract.settings import load
from ops.client import Client, RefusedError
from ops.console import Console
from ops.options import data_dir_option, environment_with, json_option, target_option
from ops.settings import UpSettings


@click.command("ask")
@click.argument("question")
@click.option("--context-file", type=click.Path(path_type=Path), help="The document, as UTF-8 text; - reads stdin.")
@click.option("--context", help="The document itself.")
@click.option("--max-tokens", type=click.IntRange(1), help="The longest answer, in tokens. [default: 128]")
@target_option
@data_dir_option
@json_option
def command(
    question: str,
    context_file: Path | None,
    context: str | None,
    max_tokens: int | None,
    target: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Ask QUESTION about a document and print the answer.

    Exit status: 0 answered, 1 refused or failed, 75 come back later (the queue is full or the bus is away).
    """
    if context_file and context is not None:
        raise click.UsageError("Give the document once: --context or --context-file.")
    document = _read(context_file) if context_file else context
    body = {"query": question, "context": document, "max_tokens": max_tokens}
    settings = load(UpSettings, environment_with(DOCQA_DATA_DIR=data_dir))
    with Client.of(target, settings) as client, Console(quiet=as_json or not sys.stderr.isatty()) as console:
        console.work("Waiting for the answer")
        try:
            answer = client.ask({name: value for name, value in body.items() if value is not None})
        except RefusedError as error:
            if as_json and error.document:
                click.echo(json.dumps(error.document))
            raise
    click.echo(json.dumps(answer, ensure_ascii=False) if as_json else answer["answer"])


def _read(path: Path) -> str:
    try:
        content = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        return content.decode("utf-8-sig")
    except OSError as error:
        raise DocQAError(f"--context-file: can't read {path}: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise DocQAError(
            f"--context-file: {path} is not UTF-8 text (byte {error.start}): convert it, for instance with iconv."
        ) from None
