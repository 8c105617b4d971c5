"""The Python that has the peers: an environment of its own, which `make peers` makes, so that ours stays as it is."""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ENVIRONMENT: Final = Path(__file__).parents[2] / ".venv-peers"
_PACKAGES: Final = ("xllamacpp", "llama-cpp-python")
_TELL: Final = """\
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
    """That of `make peers` where it was made, else the one that runs this."""
    made = ENVIRONMENT / "bin" / "python"
    return made if made.exists() else Path(sys.executable)


async def versions(python: Path, packages: Sequence[str] = _PACKAGES) -> dict[str, str]:
    """Of the peers' packages there, without those that it lacks."""
    process = await asyncio.create_subprocess_exec(
        str(python), "-c", _TELL, *packages, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    told, _ = await process.communicate()
    found: dict[str, str | None] = json.loads(told or b"{}")
    return {name: version for name, version in found.items() if version}
