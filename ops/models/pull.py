"""`docqa models pull`: what is named is looked up, fetched file by file and shown, by `hub` and `download`."""

import contextlib
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import msgspec
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from contract.errors import DocQAError
from contract.runtime.terminal import rich_console
from ops.models.download import Fetched, Report, client_for, fetch
from ops.models.hub import Remote, resolve
from ops.settings import PullSettings


def pulled(what: str, folder: Path, settings: PullSettings, sha256: str | None, *, quiet: bool) -> list[Fetched]:
    """All files of the model, whole. Raises DocQAError with one sentence."""
    hub = settings.hub.rstrip("/")
    with client_for(settings.token.reveal() if settings.token else None, hub) as client:
        remotes = _with_hash(_resolved(what, hub, client), sha256)
        found = []
        for remote in remotes:
            with _shown(remote, quiet=quiet) as report:
                found.append(fetch(remote, folder, client, report))
        return found


def fetched_line(fetched: Fetched) -> str:
    """What came, and what was checked."""
    checked = "matches its SHA-256" if fetched.is_checked else "its source names no SHA-256 to compare it with"
    there = "was there; " if fetched.was_there else ""
    return f"{fetched.path}  {fetched.size_bytes / 2**20:,.0f} MiB  {fetched.sha256[:12]}  {there}{checked}"


def use_line(first: Fetched) -> str:
    """The command that answers with it."""
    folder, name = shlex.quote(str(first.path.parent)), shlex.quote(first.path.name)
    return f"Use it: MODEL_PATH={folder} MODEL_NAME={name} docqa up"


def _resolved(what: str, hub: str, client: httpx.Client) -> list[Remote]:
    try:
        return resolve(what, hub, client)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DocQAError(f"Can't reach {hub}: {error}. DOCQA_MODEL_HUB names another one.") from None


def _with_hash(remotes: Sequence[Remote], sha256: str | None) -> list[Remote]:
    if not sha256:
        return list(remotes)
    if len(remotes) > 1:
        raise DocQAError("--sha256 is for one file, and this model has several.")
    return [msgspec.structs.replace(remotes[0], sha256=sha256.lower())]


@contextlib.contextmanager
def _shown(remote: Remote, *, quiet: bool) -> Iterator[Report]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=rich_console(stderr=True), disable=quiet) as progress:
        task = progress.add_task(remote.name, total=remote.size_bytes)

        def report(have: int, total: int | None) -> None:
            progress.update(task, completed=have, total=total)

        yield report
