"""`docqa models`: which models there are, how each is run, and the measuring that decides it."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from contract.errors import DocQAError
from ops.models import worker_tool
from ops.models.tuning_table import show
from ops.models.worker_tool import watch
from ops.options import data_dir_option, environment_with, json_option

_FILE: Final = click.Path(path_type=Path)

_root_option = click.option(
    "--to",
    "--folder",
    "root",
    type=_FILE,
    help="The folder of snapshots. [default: DOCQA_MODEL_SNAPSHOTS, else model-snapshots in the data folder]",
)


@click.group("models")
def command() -> None:
    """Say how models are run on this machine, and measure it."""


@command.command("tune")
@click.option(
    "--model", type=click.Path(path_type=Path), help="A GGUF file. [default: what MODEL_PATH and MODEL_NAME say]"
)
@click.option("--data-dir", type=click.Path(path_type=Path), help="Keep the choice here. [default: DOCQA_MODEL_CACHE]")
@click.option("--only", multiple=True, metavar="NAME", help="Try this quantization and no other; may be repeated.")
@click.option("--without", multiple=True, metavar="NAME", help="Leave this quantization out; may be repeated.")
@click.option("--again", is_flag=True, help="Measure even when there is a choice.")
@json_option
def tune(
    model: Path | None,
    data_dir: Path | None,
    only: tuple[str, ...],
    without: tuple[str, ...],
    again: bool,
    as_json: bool,
) -> None:
    """Measure how a model runs fastest on this machine while it still says the same.

    Tries the quantizations that the file can be turned into and the ways of running them, shows what was tried, and
    keeps the choice for the next start. The given file stays as it is. Ctrl-C leaves nothing behind.
    """
    options: list[tuple[str, object]] = [("--model", model), ("--root", data_dir and data_dir / "models")]
    options += [("--only", name) for name in only] + [("--without", name) for name in without]
    arguments = [text for name, value in options if value for text in (name, str(value))]
    found = watch([*arguments, *(["--again"] if again else [])], quiet=as_json)
    if as_json:
        click.echo(json.dumps(found))
    else:
        show(found)


@command.command("list")
@data_dir_option
@json_option
def list_(data_dir: Path | None, as_json: bool) -> None:
    """Show the models and how each is run."""
    environment = environment_with(DOCQA_DATA_DIR=data_dir)
    listed = _listed(environment)
    snapshots = worker_tool.run(["list"], environment, quiet=True)["snapshots"]
    if as_json:
        click.echo(json.dumps({"models": listed, "snapshots": snapshots}))
    else:
        kept = [line for snapshot in snapshots for line in (_snapshot_line(snapshot), *_file_lines(snapshot))]
        click.echo("\n".join([*map(_line, listed), *kept]))


@command.command("snapshot")
@click.option(
    "--model", "models", multiple=True, type=_FILE, help="A GGUF file; may be repeated. [default: all in MODEL_PATH]"
)
@click.option("--source", help="Where the files came from. [default: what they say themselves]")
@click.option("--copy", "is_copied", is_flag=True, help="Copy, even where a link would do.")
@_root_option
@data_dir_option
@json_option
def snapshot(
    models: tuple[Path, ...],
    source: str | None,
    is_copied: bool,
    root: Path | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Keep the model files with their SHA-256, and record them for the worker's check at its start.

    The last five different snapshots are kept. Links are made where the file system can, copies elsewhere.
    """
    options = [("--root", root), ("--source", source), *(("--model", model) for model in models)]
    told = _worked("snapshot", options, ["--copy"] if is_copied else [], data_dir, as_json)
    if as_json:
        click.echo(json.dumps(told))
    else:
        words = "" if told["is_new"] else "Nothing has changed since: "
        click.echo(f"{words}{_snapshot_line(told['snapshot'])}")


@command.command("verify")
@click.argument("which", default="latest", metavar="[SNAPSHOT|latest]")
@_root_option
@data_dir_option
@json_option
def verify(which: str, root: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """Read a snapshot and the files in use, and compare their SHA-256 with what was recorded."""
    troubles = _worked("verify", [("--root", root), ("--which", which)], [], data_dir, as_json)["troubles"]
    if as_json:
        click.echo(json.dumps({"verified": not troubles, "troubles": troubles}))
    elif not troubles:
        click.echo("All files are as they were recorded.")
    if troubles:
        raise DocQAError(" ".join(troubles))


@command.command("restore")
@click.argument("which", default="latest", metavar="[SNAPSHOT|latest]")
@click.option("--into", type=_FILE, help="A folder. [default: where the files were]")
@click.option("--copy", "is_copied", is_flag=True, help="Copy, even where a link would do.")
@_root_option
@data_dir_option
@json_option
def restore(
    which: str, into: Path | None, is_copied: bool, root: Path | None, data_dir: Path | None, as_json: bool
) -> None:
    """Put a snapshot's files back, if all of them are whole. A running worker keeps what it has loaded."""
    options = [("--root", root), ("--which", which), ("--into", into)]
    told = _worked("restore", options, ["--copy"] if is_copied else [], data_dir, as_json)
    click.echo(json.dumps(told) if as_json else "\n".join(f"Restored {path}" for path in told["restored"]))


def _worked(
    action: str, options: Sequence[tuple[str, object]], flags: Sequence[str], data_dir: Path | None, as_json: bool
) -> dict[str, Any]:
    given = [text for name, value in options if value for text in (name, str(value))]
    environment = environment_with(DOCQA_DATA_DIR=data_dir)
    return worker_tool.run([action, *given, *flags], environment, quiet=as_json)


def _snapshot_line(snapshot: Mapping[str, Any]) -> str:
    size = sum(file["size_bytes"] for file in snapshot["files"]) / 2**20
    names = ", ".join(Path(file["path"]).name for file in snapshot["files"])
    return f"  snapshot {snapshot['name']:<31} {size:>8,.0f} MiB  {names}"


def _file_lines(snapshot: Mapping[str, Any]) -> list[str]:
    """What is known of each file: enough to tell two apart; `--json` has all of it."""
    return [
        f"    {Path(file['path']).name}  SHA-256 {file['sha256'][:12]}  "
        f"{file['metadata'].get('general.architecture', 'says nothing of itself')}  from {file['source']}"
        for file in snapshot["files"]
    ]


def _listed(environment: Mapping[str, str]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "inference_worker.tools.list_models"],
        env=dict(environment),
        capture_output=True,
        check=False,
    )
    try:
        listed = json.loads(done.stdout)
    except ValueError:
        words = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise DocQAError(words or "The models could not be listed.") from None
    if isinstance(listed, dict):
        raise DocQAError(str(listed["sentence"]))
    models: list[dict[str, Any]] = listed
    return models


def _line(model: Mapping[str, Any]) -> str:
    mark = "*" if model["is_used"] else " "
    size = f"{model['size_bytes'] / 2**20:,.0f} MiB"
    return f"{mark} {model['model']:<40} {size:>12}  {_way(model)}"


def _way(model: Mapping[str, Any]) -> str:
    if choice := model["choice"]:
        return f"as {choice['chosen']['quantization']}, measured {choice['measured_at'][:10]}"
    return "not measured yet: docqa models tune" + ("" if model["is_used"] else f" --model {model['path']}")
