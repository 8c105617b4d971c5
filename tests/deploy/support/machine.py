"""A Debian with a real systemd as process 1, in a container: bootstrapped once, copied for each use."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import psutil
import pytest

from tests.deploy.support import debian
from tests.deploy.support.places import CACHE, ROOT
from tests.support.waiting import until

PACKAGES: Final = ("systemd", "systemd-sysv", "dbus", "python3", "python3-venv", "curl", "libgomp1")
MORE: Final = ("libreoffice-writer-nogui", "tesseract-ocr", "tesseract-ocr-eng", "nginx-light", "openssh-server")
"""What reads old Word documents and scans where an operator has installed it, the web server, and a way in."""
BOOT_WITHIN_S: Final = 180.0
COMMAND_WITHIN_S: Final = 240.0
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_LANDLOCK: Final = "landlock_create_ruleset landlock_add_rule landlock_restrict_self"
"""A machine has these; a container of this systemd forbids them."""
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Machine:
    """It shares this machine's network and nothing else; `/src` is the checkout, read-only."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._container: subprocess.Popen[bytes] | None = None
        self.init_pid = 0

    def boot(self) -> None:
        command = ["systemd-nspawn", "--register=no", "--keep-unit", "--quiet", f"--directory={self.root}"]
        with (self.root.parent / "console.log").open("ab") as console:
            self._container = subprocess.Popen(
                [*command, f"--bind-ro={ROOT}:/src", f"--system-call-filter={_LANDLOCK}", "--boot"],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        self.init_pid = until(self._find_init, "systemd is process 1 of the container", BOOT_WITHIN_S)
        try:
            until(self._is_up, "the container has booted", BOOT_WITHIN_S)
        except AssertionError as error:
            jobs = self.run("systemctl", "list-jobs", "--no-pager", check=False).stdout
            raise AssertionError(f"{error} It still waits for:\n{jobs}") from None

    def power_off(self) -> None:
        """As a person would: services are stopped in their order."""
        assert self._container
        self.run("systemctl", "poweroff", check=False)
        try:
            self._container.wait(BOOT_WITHIN_S)
        finally:
            self.destroy()

    def destroy(self) -> None:
        if self._container and self._container.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.init_pid, signal.SIGKILL)
            self._container.kill()
            self._container.wait()

    def run(
        self,
        *command: str,
        check: bool = True,
        environment: Mapping[str, str] = NOTHING,
        within_s: float = COMMAND_WITHIN_S,
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command inside, as root."""
        base = {"PATH": _PATH, "HOME": "/root", "LANG": "C.UTF-8", **environment}
        settings = [f"{name}={value}" for name, value in base.items()]
        done = subprocess.run(
            [
                "nsenter",
                "--target",
                str(self.init_pid),
                "--all",
                "--",
                "env",
                "--ignore-environment",
                *settings,
                *command,
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=within_s,
        )
        assert not check or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def show(self, unit: str, name: str) -> str:
        return self.run("systemctl", "show", "--value", "--property", name, unit).stdout.strip()

    def pid(self, unit: str) -> int:
        return int(self.show(unit, "MainPID"))

    def path(self, inside: str) -> Path:
        """A path of the booted machine as this one sees it: also what is on its file systems in memory."""
        return Path(f"/proc/{self.init_pid}/root{inside}")

    def journal(self) -> str:
        return self.run("journalctl", "--no-pager", "--output=short", "--lines=150", check=False).stdout

    def _find_init(self) -> int | None:
        assert self._container
        assert self._container.poll() is None, (self.root.parent / "console.log").read_text(errors="replace")
        children = psutil.Process(self._container.pid).children()
        return next((child.pid for child in children if _is_first_of_a_namespace(child.pid)), None)

    def _is_up(self) -> bool:
        state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
        return state in ("running", "degraded")


def _is_first_of_a_namespace(pid: int) -> bool:
    """systemd-nspawn's first child only sets up, and is gone before the machine has booted."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    numbers = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[1:]
    return len(numbers) > 1 and numbers[-1] == "1"


@contextlib.contextmanager
def booted() -> Iterator[Machine]:
    """A machine of one's own for the time of a block; skips the test where there can be none."""
    base = bootstrapped()
    folder = Path(tempfile.mkdtemp(prefix="dqm"))
    machine = Machine(folder / "root")
    try:
        subprocess.run(["cp", "--archive", "--reflink=auto", base, machine.root], check=True)
        machine.boot()
        yield machine
    finally:
        machine.destroy()
        shutil.rmtree(folder, ignore_errors=True)


def bootstrapped() -> Path:
    """The Debian that all machines are copies of: made once (a minute), kept outside of the tree."""
    debian.ensure_root()
    debian.ensure("debootstrap", "systemd-container")
    base = CACHE / "bookworm"
    wanted = json.dumps([*PACKAGES, *MORE])
    note = base.with_suffix(".json")
    if note.exists() and note.read_text(encoding="utf-8") == wanted:
        return base
    note.unlink(missing_ok=True)
    shutil.rmtree(base, ignore_errors=True)
    base.parent.mkdir(parents=True, exist_ok=True)
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", "bookworm", str(base)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"debootstrap failed: {done.stdout[-300:]}")
    # By apt, which finds what they need; debootstrap knows no alternatives.
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *MORE]
    done = subprocess.run(
        ["chroot", base, "sh", "-c", f"apt-get update && {' '.join(install)} && apt-get clean"],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "PATH": _PATH},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"apt-get failed in the bootstrapped Debian: {done.stderr[-300:]}")
    # Machines share this one's network, and its ports.
    subprocess.run(["systemctl", f"--root={base}", "--quiet", "disable", "ssh.service", "nginx.service"], check=True)
    note.write_text(wanted, encoding="utf-8")
    return base
