"""`docqa backup`: creates, verifies, lists, prunes and restores backups of the message bus."""

import asyncio
import json
import os
import shlex
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from contract import backup_status
from contract.backup_status import BackupStatus
from contract.errors import DocQAError
from contract.runtime.terminal import echo
from contract.settings import load
from ops.backup import archive, library_files
from ops.backup.archive import Manifest
from ops.backup.catalog import Backup, BackupFolder
from ops.backup.create import Request, create, described
from ops.backup.restore import restore, restore_bus, restore_documents
from ops.backup.retention import Retention
from ops.backup.source import source
from ops.backup.trial import try_out
from ops.console import Console, silence_logs
from ops.options import data_dir_option, environment_with, json_option
from ops.settings import BackupSettings

_HOOK_FAILED: Final = "The backup is at {path}, but the hook that copies it elsewhere failed (status {code}): {hook}"

folder_option = click.option(
    "--to",
    "--folder",
    "folder",
    # Not asked of the kernel beforehand: what a user may read by a capability, `access` denies.
    type=click.Path(path_type=Path, readable=False),
    help="Folder of the backups; better on another disk. [default: DOCQA_BACKUP_DIR, else backups in the data folder]",
)
which_argument = click.argument("which", metavar="FILE|NAME|latest")
keep_options = (
    click.option("--daily", type=click.IntRange(0), help="Days whose newest backup is kept. [default: 7]"),
    click.option("--weekly", type=click.IntRange(0), help="Weeks whose newest backup is kept. [default: 4]"),
    click.option("--monthly", type=click.IntRange(0), help="Months whose newest backup is kept. [default: 6]"),
)


@click.group("backup")
def command() -> None:
    """Back up and restore all that the message bus holds: jobs, results, dead letters.

    docs/operations.md describes what a backup contains and how to recover from a disaster.
    """


@command.command("create")
@folder_option
@click.option("--no-verify", is_flag=True, help="Skip the trial restore; then nothing is pruned either.")
@click.option("--no-prune", is_flag=True, help="Keep all earlier backups.")
@click.option(
    "--then",
    "hook",
    metavar="COMMAND",
    help="Command to run with the file as its last argument. [default: DOCQA_BACKUP_HOOK]",
)
@data_dir_option
@json_option
def create_(
    folder: Path | None, no_verify: bool, no_prune: bool, hook: str | None, data_dir: Path | None, as_json: bool
) -> None:
    """Create a backup, verify it by a trial restore, and prune earlier ones.

    The system stays in use meanwhile. If the message bus is not running, the store in the data folder is saved.
    """
    request = _request(folder, data_dir, as_json, is_verified=not no_verify, DOCQA_BACKUP_HOOK=hook)
    with request.console, request.folder.locked():
        path = asyncio.run(_create(request))
        request.console.rest()
        code = _hooked(request, path)
        if code == 0:
            _record_success(request.settings, path)
        gone = [] if code or no_verify or no_prune else _pruned(request)
    if as_json:
        echo(json.dumps({**_described(_read(path)), "hook_status": code, "pruned": gone}))
    else:
        echo(_line(_read(path)) + (f"\nPruned: {', '.join(gone)}" if gone else ""))
    if code:
        message = _HOOK_FAILED.format(path=path, code=code, hook=request.settings.backup_hook)
        echo(f"docqa: {message}", err=True)
        raise click.exceptions.Exit(code)


@command.command("list")
@folder_option
@data_dir_option
@json_option
def list_(folder: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """List all backups, newest first."""
    request = _request(folder, data_dir, as_json)
    found = request.folder.all()
    if as_json:
        described_ones = [_described(backup) for backup in found]
        echo(json.dumps({"folder": str(request.folder.folder), "backups": described_ones}))
    else:
        echo("\n".join(map(_line, found)) or f"There is no backup in {request.folder.folder}.")


@command.command("verify")
@which_argument
@folder_option
@data_dir_option
@json_option
def verify(which: str, folder: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """Restore a backup into a private nats-server and check the counts of messages."""
    request = _request(folder, data_dir, as_json)
    path = request.folder.find(which)
    with request.console, request.folder.locked():
        counts = asyncio.run(_verified(request, path))
    if as_json:
        echo(json.dumps({"file": str(path), "verified": True, "streams": counts}))
    else:
        echo(f"{path} is complete: {_counts(counts)}.")


@command.command("restore")
@which_argument
@click.option("--replace", is_flag=True, help="Replace existing data, which is backed up first.")
@click.option(
    "--only",
    "part",
    type=click.Choice(["bus", "documents"]),
    help="Restore one part: where bus and library belong to different users, each restores its own.",
)
@folder_option
@data_dir_option
@json_option
def restore_(
    which: str, replace: bool, part: str | None, folder: Path | None, data_dir: Path | None, as_json: bool
) -> None:
    """Restore a backup. The embedded message bus and the library must be stopped.

    The deadlines of restored jobs count from now; jobs that have a result in the backup are not run again.
    """
    request = _request(folder, data_dir, as_json)
    path = request.folder.find(which)
    manifest = archive.read_manifest(path)
    if part == "documents":
        _restore_documents(path, manifest, request, replace=replace, as_json=as_json)
        return
    with request.console, request.folder.locked():
        restoring = restore_bus if part else restore
        outcome = asyncio.run(restoring(path, manifest, request, replace=replace))
    differences = _differences(manifest, request)
    if as_json:
        described_outcome = {**msgspec.structs.asdict(outcome), "before": outcome.before and str(outcome.before)}
        echo(json.dumps({"file": str(path), **described_outcome, "settings_then": differences}))
        return
    echo(f"Restored {_counts(outcome.streams)}.")
    if outcome.before:
        echo(f"Previous data backed up to {outcome.before}")
    for name, then in differences.items():
        echo(f"{name} was {then} when the backup was made.")


def _restore_documents(path: Path, manifest: Manifest, request: Request, *, replace: bool, as_json: bool) -> None:
    """Without the lock on the folder of backups, which may be another user's."""
    if replace:
        raise click.UsageError("--replace backs up what is there, all of it: it goes without --only documents.")
    with request.console:
        restore_documents(path, manifest, request, replace=False)
    count = manifest.library.documents if manifest.library else 0
    echo(json.dumps({"file": str(path), "documents": count}) if as_json else f"Restored {count} documents.")


@command.command("prune")
@keep_options[0]
@keep_options[1]
@keep_options[2]
@click.option("--dry-run", is_flag=True, help="Only list the backups that would be removed.")
@folder_option
@data_dir_option
@json_option
def prune(
    daily: int | None,
    weekly: int | None,
    monthly: int | None,
    dry_run: bool,
    folder: Path | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Remove backups that need not be kept, after verifying the newest one."""
    request = _request(
        folder,
        data_dir,
        as_json,
        DOCQA_BACKUP_DAILY=daily,
        DOCQA_BACKUP_WEEKLY=weekly,
        DOCQA_BACKUP_MONTHLY=monthly,
    )
    with request.console, request.folder.locked():
        surplus = request.folder.surplus(_retention(request.settings))
        gone = [backup.path.name for backup in surplus]
        if gone and not dry_run:
            asyncio.run(_verified(request, request.folder.find("latest")))
            gone = _pruned(request)
    if as_json:
        echo(json.dumps({"pruned": [] if dry_run else gone, "would_go": gone if dry_run else []}))
    else:
        echo(f"{'Would be pruned' if dry_run else 'Pruned'}: {', '.join(gone)}" if gone else "Nothing to prune.")


def _request(
    folder: Path | None, data_dir: Path | None, as_json: bool, *, is_verified: bool = True, **overrides: object
) -> Request:
    environment = environment_with(DOCQA_DATA_DIR=data_dir, DOCQA_BACKUP_DIR=folder, **overrides)
    settings = load(BackupSettings, environment)
    silence_logs()
    return Request(settings, environment, BackupFolder(settings.folder), Console(quiet=as_json), is_verified)


async def _create(request: Request) -> Path:
    async with source(request.environment, request.settings, request.folder.work_folder("source")) as bus:
        return await create(bus, request)


async def _verified(request: Request, path: Path) -> dict[str, int]:
    manifest = archive.read_manifest(path)
    for member in manifest.files.values():
        for _ in archive.pieces_of(path, member):
            pass
    work = request.folder.work_folder("trial")
    tried = await try_out(path, manifest.streams, request.settings, work, request.console)
    if manifest.library:
        library_files.check(path, manifest.library, work)
    return {stream.name: stream.restored.messages for stream in tried if stream.restored}


def _hooked(request: Request, path: Path) -> int:
    """The hook's exit status; 0 without one."""
    if not request.settings.backup_hook:
        return 0
    request.console.say(f"Running {request.settings.backup_hook}")
    try:
        command_line = [*shlex.split(request.settings.backup_hook), str(path)]
        # Its output goes to stderr, because stdout belongs to this command.
        done = subprocess.run(command_line, env={**os.environ, "BACKUP_FILE": str(path)}, stdout=2, check=False)
    except (OSError, ValueError) as error:
        raise DocQAError(f"DOCQA_BACKUP_HOOK: cannot run {request.settings.backup_hook}: {error}.") from None
    return done.returncode if done.returncode >= 0 else 128 - done.returncode


def _record_success(settings: BackupSettings, path: Path) -> None:
    status = BackupStatus(int(time.time()), str(path), path.stat().st_size)
    backup_status.write(settings.data_dir, status)


def _pruned(request: Request) -> list[str]:
    surplus = request.folder.surplus(_retention(request.settings))
    for backup in surplus:
        backup.path.unlink(missing_ok=True)
    return [backup.path.name for backup in surplus]


def _retention(settings: BackupSettings) -> Retention:
    return Retention(settings.daily, settings.weekly, settings.monthly)


def _read(path: Path) -> Backup:
    return Backup(path, path.stat().st_size, 0.0, archive.read_manifest(path))


def _described(backup: Backup) -> dict[str, Any]:
    if backup.manifest is None:
        return {"file": str(backup.path), "bytes": backup.size_bytes, "damaged": backup.error}
    return {
        "file": str(backup.path),
        "bytes": backup.size_bytes,
        "created_s": backup.manifest.created_s,
        "verified": backup.manifest.is_verified,
        "streams": _messages(backup.manifest),
        "files": sorted(backup.manifest.files),
        "documents": backup.manifest.library.documents if backup.manifest.library else 0,
        "settings": backup.manifest.settings,
        "docqa_version": backup.manifest.docqa_version,
        "nats_version": backup.manifest.nats_version,
    }


def _line(backup: Backup) -> str:
    if backup.manifest is None:
        return f"{backup.path.name}  DAMAGED: {backup.error}"
    when = datetime.fromtimestamp(backup.manifest.created_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    tried = "verified" if backup.manifest.is_verified else "not verified"
    size = f"{backup.size_bytes / 2**20:,.1f} MiB"
    library = backup.manifest.library
    documents = f", {library.documents} documents" if library else ""
    return f"{backup.path}  {when}  {size}  {tried}  {_counts(_messages(backup.manifest))}{documents}"


def _messages(manifest: Manifest) -> dict[str, int]:
    return {stream.name: (stream.restored or stream.taken.state).messages for stream in manifest.streams}


def _counts(messages: dict[str, int]) -> str:
    return ", ".join(f"{count} in {name}" for name, count in messages.items() if count) or "nothing in any stream"


def _differences(manifest: Manifest, request: Request) -> dict[str, str]:
    """Settings that had other values when the backup was made."""
    now = described(request.settings, request.environment)
    changed = {name: value for name, value in manifest.settings.items() if value and now.get(name) != value}
    return {name: value for name, value in changed.items() if not name.startswith("DOCQA_BACKUP_")}
