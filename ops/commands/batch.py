"""`docqa batch`: many questions of a table, or one question of every document of a space; goes on after any end."""

import asyncio
import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from contract.errors import DocQAError
from contract.runtime import lock
from contract.runtime.terminal import echo
from contract.settings import load
from ops import transport
from ops.batch import output, rows
from ops.batch.asking import Asker
from ops.batch.journal import Ending, Journal
from ops.batch.progress import Progress
from ops.batch.rows import Row
from ops.batch.runner import Runner
from ops.batch.sources import Kind, Sources
from ops.client import Client, NotThereError
from ops.console import Console
from ops.errors import TryLaterError
from ops.options import data_dir_option, environment_with, json_option, target_option
from ops.settings import UpSettings

_FILE: Final = click.Path(path_type=Path)
_STARTS_WITHIN_S: Final = 15.0
_PLAIN_LINES_EVERY_S: Final = 30.0
_TIMEOUT: Final = transport.timeout(60)


class _Shared(msgspec.Struct, frozen=True, kw_only=True):
    """The options of both commands."""

    out: Path
    report: Path | None
    share: float
    retry_failed: bool
    style: str | None
    max_tokens: int | None
    target: str | None
    data_dir: Path | None
    as_json: bool

    @property
    def fields(self) -> dict[str, Any]:
        found = {"style": self.style, "max_tokens": self.max_tokens}
        return {name: value for name, value in found.items() if value is not None}


def _shared_options(command: Callable[..., Any]) -> Callable[..., Any]:
    options = [
        click.option("--out", type=_FILE, required=True, help="The answers: a .jsonl or a .csv file."),
        click.option("--report", type=_FILE, help="Write a table of answers and their sources too, in Markdown."),
        click.option(
            "--share", type=click.FloatRange(0.01, 1), default=0.5, show_default=True,
            help="The part of the queue that the batch may take.",
        ),
        click.option("--retry-failed", is_flag=True, help="Ask the rows that failed again."),
        click.option("--style", type=click.Choice(("auto", "write", "quote")), help="As for `docqa ask`."),
        click.option("--max-tokens", type=click.IntRange(1), help="Length limit of each answer, in tokens."),
        target_option, data_dir_option, json_option,
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@click.group("batch")
def command() -> None:
    """Ask many questions in the background: other questions come first.

    A journal beside --out holds what was asked. After a kill, a restart or Ctrl-C the same command goes on, and nothing
    is asked twice. Exit status: 0 all answered, 1 some failed, 75 the system was unavailable for too long.
    """


@command.command("run")
@click.argument("table", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--question-column", help="The column that holds the question. [default: question]")
@click.option("--template", help="One question for all rows; {name} stands for the row's column of that name.")
@click.option("--document-column", help="The column that names the document.")
@click.option(
    "--documents",
    type=click.Choice(("text", "files", "ids", "root")),
    default="text",
    show_default=True,
    help="What that column holds: texts, paths of files here, ids of the library, or paths below DOCQA_ROOT.",
)
@_shared_options
def run(
    table: Path, question_column: str | None, template: str | None, document_column: str | None, documents: Kind,
    **options: Any,
) -> None:  # fmt: skip
    """Ask the questions of TABLE, a CSV file or one of JSON lines."""
    if template and question_column:
        raise click.UsageError("Use one of --template and --question-column.")
    by = rows.by_template(template, table) if template else rows.by_column(question_column or "question", table)
    asked = rows.read(table, by, document_column)
    _finish(_Shared(**options), asked, documents, table.absolute().parent, f"Answers to {table.name}")


@command.command("ask")
@click.argument("question")
@click.option("--space", required=True, help="The space whose documents are asked, one by one.")
@_shared_options
def ask(question: str, space: str, **options: Any) -> None:
    """Ask QUESTION of every document of a space, each by itself."""
    shared = _Shared(**options)
    settings = load(UpSettings, environment_with(DOCQA_DATA_DIR=shared.data_dir))
    with Client.of(shared.target, settings) as client:
        found = sorted(_documents(client, space), key=lambda document: (document["name"], document["id"]))
    if not found:
        raise DocQAError(f"--space: {space} has no documents that you may read.")
    columns = [{"document": str(each["id"]), "name": str(each["name"])} for each in found]
    asked = [Row(number, question, each["document"], each) for number, each in enumerate(columns, 1)]
    _finish(shared, asked, "ids", Path(), question)


def _documents(client: Client, space: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        given = {"space": space, **({"cursor": cursor} if cursor else {})}
        page = client.call("GET", "/api/documents", params=given)
        found += page["documents"]
        cursor = page.get("cursor", "")
        if not cursor:
            return found


def _finish(shared: _Shared, asked: list[Row], kind: Kind, folder: Path, title: str) -> None:
    """Ask what is left to ask, then write the answers, the report and the summary; exits with the batch's status."""
    output.check(shared.out, asked)
    held = shared.out.with_name(f".{shared.out.name}.lock")
    with lock.locked(held, f"Another `docqa batch` (process {{holder}}) writes {shared.out}."):
        journal = Journal.of(shared.out, _hash(asked, kind, shared.fields))
        left = [row for row in asked if _is_left(journal.endings.get(row.number), shared.retry_failed)]
        failed = sum(not ending.is_answered for ending in journal.endings.values())
        progress = Progress(len(asked), len(asked) - len(left), 0 if shared.retry_failed else failed)
        try:
            asyncio.run(_run(shared, left, kind, folder, journal, progress))
        finally:
            journal.close()
            output.write(shared.out, asked, journal.endings)
            if shared.report:
                output.report(shared.report, title, asked, journal.endings)
    _summarize(shared, progress)
    if progress.failed:
        click.get_current_context().exit(1)


def _is_left(ending: Ending | None, retry_failed: bool) -> bool:
    return ending is None or (retry_failed and not ending.is_answered)


def _hash(asked: list[Row], kind: Kind, fields: dict[str, Any]) -> str:
    """Of all that decides what is asked: a journal belongs to it."""
    content = msgspec.json.encode([kind, fields, [(row.number, row.question, row.document) for row in asked]])
    return hashlib.sha256(content).hexdigest()


async def _run(
    shared: _Shared, left: list[Row], kind: Kind, folder: Path, journal: Journal, progress: Progress
) -> None:
    if not left:
        return
    settings = load(UpSettings, environment_with(DOCQA_DATA_DIR=shared.data_dir))
    target, token = shared.target or str(settings.socket_path), settings.token.reveal() if settings.token else None
    with Client.of(target, settings) as client, Console(quiet=shared.as_json) as console:
        at_once = max(int(await asyncio.to_thread(_queue_capacity, client) * shared.share), 1)
        report = _reporter(console, progress)
        async with transport.async_client(target, token, _TIMEOUT, at_once) as http:
            runner = Runner(Asker(http), journal, Sources(kind, folder, client), shared.fields, report)
            try:
                await runner.run(left, at_once)
            except* DocQAError as group:
                raise _first(group) from None


def _queue_capacity(client: Client) -> int:
    """The queue's bound; a system that is being restarted is waited for. Raises DocQAError."""
    ends_s = time.monotonic() + _STARTS_WITHIN_S
    while True:
        try:
            if capacity := client.health().get("queue_capacity"):
                return int(capacity)
            unavailable: DocQAError = TryLaterError("The message bus is unavailable: try again later.")
        except NotThereError as error:
            unavailable = error
        if time.monotonic() > ends_s:
            raise unavailable
        time.sleep(0.5)


def _first(group: BaseExceptionGroup[DocQAError]) -> DocQAError:
    one = group.exceptions[0]
    return _first(one) if isinstance(one, BaseExceptionGroup) else one


def _reporter(console: Console, progress: Progress) -> Callable[[Ending], None]:
    """Counts each ending, and shows how far the batch is: a line now and then where there is no terminal."""
    every_s = 0.2 if console.is_live else _PLAIN_LINES_EVERY_S
    shown_s = time.monotonic()

    def report(ending: Ending) -> None:
        nonlocal shown_s
        progress.note(ending)
        if time.monotonic() - shown_s >= every_s:
            shown_s = time.monotonic()
            console.work(progress.in_words)

    return report


def _summarize(shared: _Shared, progress: Progress) -> None:
    if shared.as_json:
        counts = {"rows": progress.total, "ended": progress.done, "failed": progress.failed, "codes": progress.codes}
        echo(msgspec.json.encode({**counts, "tokens": progress.tokens, "out": str(shared.out)}).decode())
        return
    echo(progress.in_words)
    for code, count in progress.codes.most_common():
        echo(f"  {count:,} failed: {code}")
    echo(f"The answers are in {shared.out}." + (f" The report is in {shared.report}." if shared.report else ""))
    if progress.failed:
        echo("The same command with --retry-failed asks the failed ones again.")
