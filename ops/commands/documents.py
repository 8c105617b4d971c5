"""`docqa documents`: bring documents in, list them, read their text, search them, take them out."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from contract.errors import DocQAError
from contract.runtime.terminal import echo
from contract.settings import load
from ops.client import Client
from ops.console import Console
from ops.documents.uploads import Outcome, files_of, upload_all
from ops.options import data_dir_option, environment_with, json_option, target_option
from ops.settings import UpSettings

_space_option = click.option("--space", default="", help="A shared space. [default: your own]")


@click.group("documents")
def command() -> None:
    """Bring documents in, list, read, search and remove them."""


@command.command("add")
@click.argument("paths", type=click.Path(path_type=Path), nargs=-1, required=True)
@_space_option
@click.option("--no-wait", is_flag=True, help="Return once all are accepted, before they are read.")
@target_option
@data_dir_option
@json_option
def add(
    paths: tuple[Path, ...], space: str, no_wait: bool, target: str | None, data_dir: Path | None, as_json: bool
) -> None:
    """Bring in files, and all files of folders. Run it again after it was broken off: nothing is taken twice.

    Exit status: 0 all are there, 1 some are not (each with its reason).
    """
    files = files_of(paths)
    with _client(target, data_dir) as client, Console(quiet=as_json) as console:
        outcomes: list[Outcome] = []

        def show(path: Path, state: str) -> None:
            console.work(f"{len(outcomes)} of {len(files)} done; {path.name}: {state}")

        for outcome in upload_all(client, files, space, wait=not no_wait, on_change=show):
            outcomes.append(outcome)
            console.rest()
            if not as_json:
                echo(_line(outcome))
    if as_json:
        echo(json.dumps({"documents": [_as_json(outcome) for outcome in outcomes]}, ensure_ascii=False))
    sys.exit(0 if all(outcome.is_good for outcome in outcomes) else 1)


@command.command("list")
@_space_option
@click.option("--name", default="", help="Only names that begin with this.")
@target_option
@data_dir_option
@json_option
def list_documents(space: str, name: str, target: str | None, data_dir: Path | None, as_json: bool) -> None:
    """List the documents of a space."""
    with _client(target, data_dir) as client:
        found = list(_all(client, space, name))
    if as_json:
        echo(json.dumps({"documents": found}, ensure_ascii=False))
        return
    for document in found:
        echo(_row(document))


@command.command("show")
@click.argument("document_id")
@target_option
@data_dir_option
@json_option
def show(document_id: str, target: str | None, data_dir: Path | None, as_json: bool) -> None:
    """Show what is known of a document."""
    with _client(target, data_dir) as client:
        document = client.call("GET", f"/api/documents/{document_id}")
    if as_json:
        echo(json.dumps(document, ensure_ascii=False))
        return
    for name, value in document.items():
        echo(f"{name.replace('_', ' ')}: {value if isinstance(value, str | int) else json.dumps(value)}")


@command.command("text")
@click.argument("document_id")
@click.option("--page", type=click.IntRange(1), help="Only this page.")
@target_option
@data_dir_option
@json_option
def text(document_id: str, page: int | None, target: str | None, data_dir: Path | None, as_json: bool) -> None:
    """Print a document's text, as it is indexed and cited."""
    with _client(target, data_dir) as client:
        parts = list(_texts(client, document_id, page))
    if as_json:
        echo(json.dumps({**parts[0], "text": "".join(part["text"] for part in parts)}, ensure_ascii=False))
    else:
        echo("".join(part["text"] for part in parts))


@command.command("scan")
@click.option("--confirm-removals", is_flag=True, help="What is missing was removed on purpose: erase its documents.")
@target_option
@data_dir_option
@json_option
def scan(confirm_removals: bool, target: str | None, data_dir: Path | None, as_json: bool) -> None:
    """Look at the files below DOCQA_ROOT now, and show what is left alone. Exit status 1: it needs a decision."""
    params = {"confirm_removals": "true"} if confirm_removals else {}
    with _client(target, data_dir) as client:
        found = client.call("POST", "/api/root/scan", params=params)
    if as_json:
        echo(json.dumps(found, ensure_ascii=False))
    else:
        echo(f"{found['files']} files, {found['waiting']} of them still to be read.")
        for odd in found["odd"]:
            echo(f"left alone: {odd['path']}: {odd['why']}")
        echo(found["problem"]) if found["problem"] else None
    sys.exit(1 if found["problem"] else 0)


@command.command("remove")
@click.argument("document_ids", nargs=-1, required=True)
@target_option
@data_dir_option
@json_option
def remove(document_ids: tuple[str, ...], target: str | None, data_dir: Path | None, as_json: bool) -> None:
    """Erase documents: their text, index and original. This is final."""
    with _client(target, data_dir) as client:
        replies = [client.call("DELETE", f"/api/documents/{document_id}") for document_id in document_ids]
    if as_json:
        echo(json.dumps({"documents": replies}))
        return
    for reply in replies:
        echo(f"{reply['document']}  {reply['state']}")


@command.command("export")
@click.argument("document_id")
@click.option("--out", type=click.Path(path_type=Path), help="The file to write. [default: the document's name]")
@target_option
@data_dir_option
@json_option
def export(document_id: str, out: Path | None, target: str | None, data_dir: Path | None, as_json: bool) -> None:
    """Write a document's original file."""
    with _client(target, data_dir) as client:
        name = client.call("GET", f"/api/documents/{document_id}")["name"]
        path = out or Path(Path(name).name)
        if path.exists():
            raise DocQAError(f"{path} exists: name another file with --out.")
        with path.open("xb") as file:
            for piece in client.content(f"/api/documents/{document_id}/original"):
                file.write(piece)
    echo(json.dumps({"file": str(path)}) if as_json else f"Written to {path}")


@command.command("search")
@click.argument("query")
@_space_option
@click.option("--id", "ids", multiple=True, help="Search only this document; may be repeated.")
@click.option("--limit", type=click.IntRange(1, 100), default=5, show_default=True, help="Passages to show.")
@target_option
@data_dir_option
@json_option
def search(
    query: str, space: str, ids: tuple[str, ...], limit: int, target: str | None, data_dir: Path | None, as_json: bool
) -> None:
    """Find the passages that answer QUERY best, without a model."""
    wanted: dict[str, Any] = {"query": query, "limit": limit, "documents": list(ids), "space": space}
    with _client(target, data_dir) as client:
        found = client.call("POST", "/api/search", json={name: value for name, value in wanted.items() if value})
    if as_json:
        echo(json.dumps(found, ensure_ascii=False))
        return
    for hit in found["hits"]:
        page = f", page {hit['page']}" if hit["page"] else ""
        echo(f"{hit['name']}{page} ({hit['document']})\n  {' '.join(hit['text'].split())}")


def _client(target: str | None, data_dir: Path | None) -> Client:
    return Client.of(target, load(UpSettings, environment_with(DOCQA_DATA_DIR=data_dir)))


def _all(client: Client, space: str, name: str) -> Iterator[dict[str, Any]]:
    cursor = ""
    while True:
        given = {"space": space, "name": name, "cursor": cursor}
        page = client.call("GET", "/api/documents", params={key: value for key, value in given.items() if value})
        yield from page["documents"]
        cursor = page.get("cursor", "")
        if not cursor:
            return


def _texts(client: Client, document_id: str, page: int | None) -> Iterator[dict[str, Any]]:
    start: int | None = None
    while True:
        given = {"page": page, "start": start}
        params = {name: value for name, value in given.items() if value}
        part = client.call("GET", f"/api/documents/{document_id}/text", params=params)
        yield part
        start = part.get("next")
        if start is None:
            return


def _line(outcome: Outcome) -> str:
    return f"refused  {outcome.path}: {outcome.problem}" if outcome.problem else _row(outcome.document)


def _row(document: dict[str, Any]) -> str:
    known = [f"{document['state']:<8}", document["id"], document["name"]]
    if document.get("pages"):
        known.append(f"({document['pages']} page{'s' if document['pages'] > 1 else ''})")
    if document.get("pages_without_text"):
        known.append(f"without text: {len(document['pages_without_text'])} pages")
    if document.get("detail"):
        known.append(f"- {document['detail']}")
    return "  ".join(known)


def _as_json(outcome: Outcome) -> dict[str, Any]:
    return {"path": outcome.path, **outcome.document, **({"problem": outcome.problem} if outcome.problem else {})}
