"""Images and containers with podman, where no registry and no systemd is: the stand-ins for foreign images are
Debian bootstrapped here under the real tags, so that the files under test stay as they are.
"""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from tests.deploy.support import debian
from tests.deploy.support.checkers import BIN as CHECKERS
from tests.deploy.support.places import CACHE, DEPLOY, ROOT

BUILDS_WITHIN_S: Final = 3000
"""The first one compiles llama.cpp for every processor; later ones find it in podman's cache."""
DOCKERFILE: Final = DEPLOY / "compose" / "Dockerfile"
_CONFIG: Final = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
[network]
network_backend = "netavark"
"""


def ensure() -> None:
    """Install podman and what it needs; skips with a reason where this machine can't."""
    debian.ensure_root()
    debian.ensure("podman", "runc", "crun", "netavark", "aardvark-dns", "debootstrap", "iptables")
    if not (CHECKERS / "podman-compose").exists():
        pytest.skip("podman-compose is not installed: run `make checkers`")
    CACHE.mkdir(parents=True, exist_ok=True)
    (CACHE / "containers.conf").write_text(_CONFIG)


def podman(*arguments: str, check: bool = True, within_s: float = 120) -> str:
    """What podman printed on stdout."""
    return run(["podman", *arguments], check=check, within_s=within_s)


def compose(folder: Path, project: str, arguments: list[str], environment: dict[str, str]) -> str:
    """podman-compose on the file in `folder`."""
    command = [str(CHECKERS / "podman-compose"), "--project-name", project, *arguments]
    return run(command, cwd=folder, within_s=300, environment=environment)


def stand_in(image: str, *packages: str, **environment: str) -> None:
    """A bootstrapped Debian with these packages under the name of a foreign image, unless that is there."""
    if _exists(image):
        return
    root = CACHE / f"root-{image.partition(':')[0]}"
    if not (root / "etc" / "debian_version").exists():
        shutil.rmtree(root, ignore_errors=True)
        new = root.with_name(f"{root.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        run(["debootstrap", "--variant=minbase", f"--include={','.join(packages)}", "bookworm", str(new)])
        new.rename(root)
    debian.trust_as_here(root)
    changes = [f"--change=ENV {name}={value}" for name, value in environment.items()]
    with subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE) as packed:
        subprocess.run(
            ["podman", "import", "--quiet", *changes, "-", image], stdin=packed.stdout, check=True, env=_environment()
        )


def base_image() -> str:
    """What the Dockerfile starts from."""
    lines = DOCKERFILE.read_text(encoding="utf-8").splitlines()
    return next(line.removeprefix("ARG BASE=") for line in lines if line.startswith("ARG BASE="))


def build(image: str) -> None:
    """Build the project's image from the working tree, with all layers and compiled parts that are there already."""
    run(
        [
            *("podman", "build", "--quiet", "--pull=never", "--isolation=chroot", "--network=host", "--layers"),
            *("--file", str(DOCKERFILE), "--tag", image, "."),
        ],
        cwd=ROOT,
        within_s=BUILDS_WITHIN_S,
    )


def inspected(container: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = json.loads(podman("inspect", container))
    return found[0]


def kill(container: str) -> int:
    """SIGKILL for its first process, as the kernel does when memory is short; which one it was."""
    pid = int(inspected(container)["State"]["Pid"])
    os.kill(pid, signal.SIGKILL)
    return pid


def is_healthy(container: str) -> bool:
    """Run its health check now: podman leaves that to systemd, which is not there."""
    ran = subprocess.run(["podman", "healthcheck", "run", container], env=_environment(), capture_output=True)
    return ran.returncode == 0


def _exists(image: str) -> bool:
    return subprocess.run(["podman", "image", "exists", image], env=_environment()).returncode == 0


def _environment() -> dict[str, str]:
    return {**os.environ, "CONTAINERS_CONF": str(CACHE / "containers.conf")}


def run(
    command: list[str],
    *,
    check: bool = True,
    within_s: float = 600,
    cwd: Path | None = None,
    environment: dict[str, str] | None = None,
) -> str:
    """What the command printed on stdout; it must succeed unless `check` says otherwise."""
    ran = subprocess.run(
        command,
        cwd=cwd,
        env={**_environment(), **(environment or {})},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=within_s,
    )
    assert not check or ran.returncode == 0, f"{' '.join(command)}\n{ran.stdout[-3000:]}\n{ran.stderr[-5000:]}"
    return ran.stdout
