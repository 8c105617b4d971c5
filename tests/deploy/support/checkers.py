"""The linters and validators of `make checkers`, run from their own environment."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BIN = ROOT / ".venv-checkers" / "bin"


def check(name: str, *arguments: str | Path, **options: str | Path) -> str:
    """Run a checker of `.venv-checkers`, which must find nothing; what it said."""
    if not (BIN / name).exists():
        pytest.skip(f"{name} is not installed: run `make checkers`")
    ran = subprocess.run([BIN / name, *arguments], capture_output=True, text=True, cwd=options.get("cwd", ROOT))
    said = ran.stdout + ran.stderr
    assert ran.returncode == 0, f"{name} {' '.join(map(str, arguments))}\n{said}"
    return said
