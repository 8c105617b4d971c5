"""Runs the work on snapshots of models as a child of `docqa models`, and shows what it is at."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from contract.errors import DocQAError
from ops.console import Console
from ops.supervisor import parent_death


def run(arguments: list[str], environment: Mapping[str, str], *, quiet: bool) -> dict[str, Any]:
    """What the work ends with; raises DocQAError with its sentence."""
    program = [sys.executable, "-m", "inference_worker.tools.model_snapshots", *arguments]
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(parent_death.__file__), str(os.getpid()), *program],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process, Console(quiet=quiet) as console:
        for line in process.stdout or ():
            event = json.loads(line)
            match event.pop("event"):
                case "working":
                    console.work(f"{event['what'].capitalize()} {event['path']}")
                case "done":
                    return dict(event)
                case "failed":
                    raise DocQAError(event["sentence"])
    raise DocQAError("The work on the models ended without a word: try again.")
