"""The Python environment of the peers, created by `make peers`, separate from the project's own."""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ENVIRONMENT: Final = Path(__file__).parents[2] / ".venv-peers"
_PACKAGES: Final = ("xllamacpp", "llama-cpp-python")
_PRINT_VERSIONS: Final = """\
import json, sys
from importlib import metadata
def version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
print(json.dumps({name: version(name) for name in sys.argv[1:]}))
"""


def default() -> Path:
    """The Python of `make peers` if it exists, else the running one."""
    made = ENVIRONMENT / "bin" / "python"
    return made if made.exists() else Path(sys.executable)


async def versions(python: Path, packages: Sequence[str] = _PACKAGES) -> dict[str, str]:
    """The versions of the installed packages among `packages`."""
    process = await asyncio.create_subprocess_exec(
        str(python), "-c", _PRINT_VERSIONS, *packages, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    out, _ = await process.communicate()
    found: dict[str, str | None] = json.loads(out or b"{}")
    return {name: version for name, version in found.items() if version}
