"""Prints how files were made, as an in-toto statement with SLSA provenance v1: `provenance.py COMMIT FILE...`."""

import hashlib
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

INPUTS = ("pyproject.toml", "requirements/runtime.txt", "requirements/dev.txt")


def main(commit: str, files: list[Path]) -> dict[str, Any]:
    """The statement; the builder is GitHub's run, or this machine by name."""
    environment = os.environ
    run = "/".join(environment.get(name, "") for name in ("GITHUB_REPOSITORY", "GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT"))
    is_github = bool(environment.get("GITHUB_RUN_ID"))
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [described(path, path.name) for path in files],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "urn:goblin-docqa:deploy/ci/build.sh",
                "externalParameters": {"commit": commit},
                "internalParameters": {"python": platform.python_version(), "machine": platform.machine()},
                "resolvedDependencies": [
                    {"uri": "urn:goblin-docqa:commit", "digest": {"gitCommit": commit}},
                    *(described(Path(name), name) for name in INPUTS),
                ],
            },
            "runDetails": {
                "builder": {"id": "urn:github:actions" if is_github else f"urn:host:{platform.node()}"},
                "metadata": {"invocationId": run if is_github else commit},
            },
        },
    }


def described(path: Path, name: str) -> dict[str, Any]:
    return {"name": name, "digest": {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], [Path(name) for name in sys.argv[2:]]), indent=2) + "\n")
