"""`docqa models`: which models there are, how each is run, and the measuring that decides it."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from contract.errors import DocQAError
from ops.options import data_dir_option, environment_with, json_option
from ops.tuning_table import show
from ops.tuning_watch import watch


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
    listed = _listed(environment_with(DOCQA_DATA_DIR=data_dir))
    click.echo(json.dumps({"models": listed}) if as_json else "\n".join(_line(model) for model in listed))


def _listed(environment: Mapping[str, str]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "inference_worker.tuning.list_models"],
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
