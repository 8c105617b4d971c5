"""What a reader's process can't do, whatever a file makes it do: each way is tried from inside of the sandbox."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from library.readers.process import landlock

ORDINARY_USER = 12345
ENTER = "import os; from library.readers.process import sandbox; held = sandbox.enter(os.getppid())\n"
ENTER_FOR_PROGRAM = (
    "import os; from pathlib import Path; from library.readers.process import sandbox\n"
    "held = sandbox.enter_for_program(os.getppid(), [Path('/usr'), Path('/lib'), Path('/lib64'), Path('/bin')])\n"
)

ATTEMPTS = {
    "read a file": "open('/etc/passwd').read()",
    "read its own environment": "open('/proc/self/environ').read()",
    "list a folder": "os.listdir('/')",
    "write a file": "open('/tmp/left-behind', 'w').write('x')",
    "connect": "import socket; socket.create_connection(('127.0.0.1', PORT), 5)",
    "ask a name server": "import socket; socket.getaddrinfo('localhost.localdomain', 80)",
    "open a Unix socket": "import socket; socket.socket(socket.AF_UNIX).connect('/run/any')",
    "start a program": "os.execv('/bin/true', ['true'])",
    "fork": "os.fork()",
    "stop another process": "os.kill(os.getppid(), 0)",
    "raise its limits": "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)); open('/etc/passwd')",
}


def tried(script: str, user: int | None = None) -> subprocess.CompletedProcess[str]:
    """The script's end, run with an empty environment, by this user or another."""
    return subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        user=user,
        extra_groups=[] if user is not None else None,
        check=False,
    )


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS.keys())
def test_a_reader_can_not(attempt: str) -> None:
    imports = "import socket, resource, encodings.idna\n"
    script = f"{imports}{ENTER}PORT = 9\ntry:\n    {attempt}\nexcept (OSError, ValueError):\n    print('refused')\n"

    ended = tried(script)

    assert ended.stdout.startswith("refused"), ended


def test_a_reader_still_computes_and_writes_to_its_pipes() -> None:
    ended = tried(ENTER + "print(sum(range(1000)), bytes(50_000_000)[-1], held)")

    assert ended.stdout.startswith("499500 0 "), ended


def test_root_is_nobody_inside() -> None:
    ended = tried(ENTER + "print(os.geteuid())")

    assert int(ended.stdout) != 0


def test_where_mounts_are_forbidden_a_program_changes_its_folder_and_only_makes_sockets_in_tmp(tmp_path: Path) -> None:
    """As in the library's unit under systemd."""
    if not landlock.version():
        pytest.skip("this kernel has no Landlock")
    with tempfile.TemporaryDirectory(dir="/tmp") as beside, tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(beside).chmod(0o755)
        secret = Path(beside, "secret")
        secret.write_text("secret")
        attempt = (
            "import os, socket, subprocess, sys\nfrom pathlib import Path\n"
            "from library.readers.process import sandbox\n"
            "sandbox._become_tmp = lambda folder: False\n"
            f"seen = sandbox.enter_with_folder(os.getppid(), sandbox.PROGRAMS, Path({folder!r}))\n"
            "program = f'cat PATH; echo x >/tmp/file-of-a-program; echo made >{seen}/made; ls /tmp'\n"
            "print(subprocess.run(['/bin/sh', '-c', program], capture_output=True, text=True))\n"
            f"name = '/tmp/' + os.path.basename({folder!r})\n"
            "socket.socket(socket.AF_UNIX).bind(name); os.unlink(name); print('a socket')\n"
        )
        ended = tried(attempt.replace("PATH", str(secret)))
        made = Path(folder, "made").read_text()
    assert made == "made\n"
    assert "stdout=''" in ended.stdout
    assert ended.stdout.endswith("a socket\n"), ended


def test_a_program_of_the_system_reaches_neither_network_nor_data(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    attempt = "import subprocess; print(subprocess.run(['/bin/cat', PATH], capture_output=True, text=True))"
    network = "\nimport socket\ntry:\n    socket.socket()\nexcept OSError: print('no network')"

    ended = tried(ENTER_FOR_PROGRAM + attempt.replace("PATH", repr(str(secret))) + network)

    assert "Permission denied" in ended.stdout or not landlock.version()
    assert "stdout='secret'" not in ended.stdout
    assert "no network" in ended.stdout
