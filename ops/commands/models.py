"""`docqa models`: lists models and how each is run, tunes them, and keeps snapshots of their files."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from contract import worker_tools
from contract.errors import DocQAError
from contract.runtime.terminal import echo
from contract.settings import load
from contract.worker_tools import ModelsListed
from ops.commands.bench import run_bench
from ops.models import worker_tool
from ops.models.pull import fetched_line, pulled, use_line
from ops.models.tuning_table import show
from ops.models.worker_tool import watch
from ops.options import data_dir_option, environment_with, json_option
from ops.settings import PullSettings

_FILE: Final = click.Path(path_type=Path)

_root_option = click.option(
    "--to",
    "--folder",
    "root",
    type=_FILE,
    help="Folder of the snapshots. [default: DOCQA_MODEL_SNAPSHOTS, else model-snapshots in the data folder]",
)


@click.group("models")
def command() -> None:
    """Fetch, list, tune, snapshot and verify models."""


@command.command("tune")
@click.option(
    "--model", type=click.Path(path_type=Path), help="A GGUF file. [default: what MODEL_PATH and MODEL_NAME say]"
)
@click.option("--data-dir", type=click.Path(path_type=Path), help="Store the choice here. [default: DOCQA_MODEL_CACHE]")
@click.option("--only", multiple=True, metavar="NAME", help="Try only this quantization; may be repeated.")
@click.option("--without", multiple=True, metavar="NAME", help="Do not try this quantization; may be repeated.")
@click.option("--again", is_flag=True, help="Measure even if there is a choice already.")
@json_option
def tune(
    model: Path | None,
    data_dir: Path | None,
    only: tuple[str, ...],
    without: tuple[str, ...],
    again: bool,
    as_json: bool,
) -> None:
    """Find the fastest way to run a model on this machine without changing its answers.

    Tries the quantizations that the file can be converted to and the options of running them, shows all results, and
    stores the choice for the next start. The source file is not changed. Ctrl-C leaves nothing behind.
    """
    options: list[tuple[str, object]] = [("--model", model), ("--root", data_dir and data_dir / "models")]
    options += [("--only", name) for name in only] + [("--without", name) for name in without]
    arguments = [text for name, value in options if value for text in (name, str(value))]
    found = watch([*arguments, *(["--again"] if again else [])], quiet=as_json)
    if as_json:
        echo(json.dumps(worker_tools.as_json(found)))
    else:
        show(found.choice, found.folder)


@command.command("list")
@data_dir_option
@json_option
def list_(data_dir: Path | None, as_json: bool) -> None:
    """List the models and how each is run."""
    environment = environment_with(DOCQA_DATA_DIR=data_dir)
    listed = worker_tools.ask("list_models", ModelsListed, environment).models
    snapshots = worker_tool.run(["list"], environment, quiet=True)["snapshots"]
    if as_json:
        echo(json.dumps({"models": listed, "snapshots": snapshots}))
    else:
        kept = [line for snapshot in snapshots for line in (_snapshot_line(snapshot), *_file_lines(snapshot))]
        echo("\n".join([*map(_line, listed), *kept]))


@command.command("pull")
@click.argument("what", metavar="OWNER/REPO[:FILE]|URL")
@click.option(
    "--to", "folder", type=_FILE, help="Target folder. [default: MODEL_PATH, else model-files in the data folder]"
)
@click.option(
    "--sha256", metavar="HEX", help="What a URL's file must have. [default: what the server says, if it does]"
)
@data_dir_option
@json_option
def pull(what: str, folder: Path | None, sha256: str | None, data_dir: Path | None, as_json: bool) -> None:
    """Fetch a GGUF model: resumed where it broke off, compared with the hash that the hub names, whole or not there.

    FILE may be a part of the name, as `Q4_K_M`. DOCQA_MODEL_HUB names a mirror, DOCQA_MODEL_HUB_TOKEN what private
    models need.
    """
    settings = load(PullSettings, environment_with(DOCQA_DATA_DIR=data_dir))
    fetched = pulled(what, folder or settings.folder, settings, sha256, quiet=as_json)
    if as_json:
        echo(json.dumps({"files": msgspec.to_builtins(fetched, enc_hook=str)}))
    else:
        echo("\n".join([*map(fetched_line, fetched), use_line(fetched[0])]))


@command.command("compare")
@click.argument("models", nargs=-1, required=True, type=_FILE)
@click.option("--dataset", type=_FILE, help="Questions in SQuAD's format. [default: the project's own]")
@click.option("--questions", type=click.IntRange(1), default=100, show_default=True, help="So many of them.")
@click.option("--keep/--no-keep", default=True, show_default=True, help="Keep what `auto` stands for with each model.")
@json_option
def compare(models: tuple[Path, ...], dataset: Path | None, questions: int, *, keep: bool, as_json: bool) -> None:
    """Compare the quality of models with their pace on this machine, beside answers by quoting (`docqa bench models`).

    For each model it is kept whether its own words or the documents' sentences are right more often: `style: auto`
    goes by that.
    """
    options = ["--questions", str(questions), "--keep" if keep else "--no-keep"]
    options += ["--dataset", str(dataset)] if dataset else []
    run_bench("models", *map(str, models), *options, *(["--json"] if as_json else []))


@command.command("snapshot")
@click.option(
    "--model", "models", multiple=True, type=_FILE, help="A GGUF file; may be repeated. [default: all in MODEL_PATH]"
)
@click.option("--source", help="Where the files came from. [default: from their metadata]")
@click.option("--copy", "is_copied", is_flag=True, help="Copy, even if a link is possible.")
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
    """Store the model files with their SHA-256, and record them for the worker's check at its start.

    The last five different snapshots are kept. Files are linked if the file system supports it, else copied.
    """
    options = [("--root", root), ("--source", source), *(("--model", model) for model in models)]
    reply = _run_tool("snapshot", options, ["--copy"] if is_copied else [], data_dir, as_json)
    if as_json:
        echo(json.dumps(reply))
    else:
        words = "" if reply["is_new"] else "Unchanged since "
        echo(f"{words}{_snapshot_line(reply['snapshot'])}")


@command.command("verify")
@click.argument("which", default="latest", metavar="[SNAPSHOT|latest]")
@_root_option
@data_dir_option
@json_option
def verify(which: str, root: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """Compare the SHA-256 of a snapshot and of the files in use with the recorded ones."""
    troubles = _run_tool("verify", [("--root", root), ("--which", which)], [], data_dir, as_json)["troubles"]
    if as_json:
        echo(json.dumps({"verified": not troubles, "troubles": troubles}))
    elif not troubles:
        echo("All files match their record.")
    if troubles:
        raise DocQAError(" ".join(troubles))


@command.command("restore")
@click.argument("which", default="latest", metavar="[SNAPSHOT|latest]")
@click.option("--into", type=_FILE, help="Target folder. [default: the original paths]")
@click.option("--copy", "is_copied", is_flag=True, help="Copy, even if a link is possible.")
@_root_option
@data_dir_option
@json_option
def restore(
    which: str, into: Path | None, is_copied: bool, root: Path | None, data_dir: Path | None, as_json: bool
) -> None:
    """Put a snapshot's files back if all are intact. A running worker keeps the model that it has loaded."""
    options = [("--root", root), ("--which", which), ("--into", into)]
    reply = _run_tool("restore", options, ["--copy"] if is_copied else [], data_dir, as_json)
    echo(json.dumps(reply) if as_json else "\n".join(f"Restored {path}" for path in reply["restored"]))


def _run_tool(
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
    """The main facts of each file; `--json` prints all."""
    return [
        f"    {Path(file['path']).name}  SHA-256 {file['sha256'][:12]}  "
        f"{file['metadata'].get('general.architecture', 'unknown architecture')}  from {file['source']}"
        for file in snapshot["files"]
    ]


def _line(model: Mapping[str, Any]) -> str:
    mark = "*" if model["is_used"] else " "
    size = f"{model['size_bytes'] / 2**20:,.0f} MiB"
    return f"{mark} {model['model']:<40} {size:>12}  {_run_form(model)}"


def _run_form(model: Mapping[str, Any]) -> str:
    if choice := model["choice"]:
        return f"as {choice['chosen']['quantization']}, measured {choice['measured_at'][:10]}"
    return "not measured yet: docqa models tune" + ("" if model["is_used"] else f" --model {model['path']}")
