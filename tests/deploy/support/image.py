"""The project's image, made in the background from a run's first test on, on the cores that the tests leave idle.

Its first build compiles for a quarter of an hour on two cores, while most other tests wait for processes of their own.
By hand: `python -m tests.deploy.support.image`.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.deploy.support import podman
from tests.deploy.support.places import CACHE, ROOT

IMAGE: Final = "goblin-docqa:0.1.0"
NGINX: Final = "nginx:1.28.0-alpine"
_LOG: Final = CACHE / "image.log"
_BEHIND: Final = 10
"""Niceness, of which 0 is everybody's."""


def make() -> None:
    """Stand-ins for the images of others, and ours on top of one."""
    podman.stand_in(podman.base_image(), "ca-certificates", SSL_CERT_FILE="/etc/ssl/certs/ca-certificates.crt")
    podman.stand_in(NGINX, "nginx-light", "wget")
    podman.build(IMAGE)


class Making:
    """The process that makes it, behind the tests on the processor."""

    def __init__(self) -> None:
        with _LOG.open("wb") as log:
            self._process = subprocess.Popen(
                ["nice", "-n", str(_BEHIND), sys.executable, "-m", "tests.deploy.support.image"],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._stand_back(_BEHIND)

    def _stand_back(self, niceness: int) -> None:
        """A kernel that shares the processor by session (autogroup) heeds a process's own niceness only within one."""
        with contextlib.suppress(OSError):
            Path(f"/proc/{self._process.pid}/autogroup").write_text(str(niceness), encoding="ascii")

    def wait(self) -> None:
        """Until the image is there; no test needs the processor now."""
        self._stand_back(0)
        status = self._process.wait(podman.BUILDS_WITHIN_S)
        assert status == 0, _LOG.read_text(encoding="utf-8", errors="replace")[-5000:]

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait(60)


@contextlib.contextmanager
def being_made() -> Iterator[Making]:
    """For the time of a block; skips where this machine can't."""
    podman.ensure()
    making = Making()
    try:
        yield making
    finally:
        making.end()


if __name__ == "__main__":
    make()
