"""What the operating system knows: which processes live, which locks are held, what their environment is."""

import contextlib
import os
import sys
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
MARK = "ACCEPTANCE_STACK"
"""Set in every environment, so that a test finds what its stack started, wherever it ended up."""

_GONE = (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess)


def environment(folder: Path, extra: dict[str, str]) -> dict[str, str]:
    """A clean environment: no setting of the developer's own reaches the product."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(("COV", "PYTHONPATH"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    base = {"PATH": path, "HOME": str(folder), "LANG": "C.UTF-8", MARK: str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return base | kept | extra


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except _GONE:
        return False


def belonging_to(folder: Path) -> list[psutil.Process]:
    """Every living process that carries the folder's mark or names the folder in its command line."""
    return [process for process in psutil.process_iter() if _belongs(process, str(folder))]


def children_running(pid: int, word: str) -> list[int]:
    """The ids of a process's living children whose command line has the word, in whatever state they are."""
    with contextlib.suppress(*_GONE):
        return [child.pid for child in psutil.Process(pid).children() if is_alive(child.pid) and _says(child, word)]
    return []


def end_by_force(folder: Path) -> None:
    for process in belonging_to(folder):
        with contextlib.suppress(*_GONE):
            process.kill()


def described(processes: list[psutil.Process]) -> list[str]:
    found = []
    for process in processes:
        try:
            found.append(f"{process.pid}: {' '.join(process.cmdline())}")
        except _GONE:
            continue
    return found


def held_locks(folder: Path) -> list[Path]:
    """Files under the folder that any process has locked, by flock or by lockf."""
    locked = {line.split()[-3] for line in _lock_lines()}
    return [path for path in folder.rglob("*") if path.is_file() and _as_in_proc_locks(path) in locked]


def listening_address(pid: int) -> str | None:
    """The first TCP address that the process listens on."""
    for connection in psutil.Process(pid).net_connections(kind="tcp"):
        if connection.status == psutil.CONN_LISTEN:
            return f"{connection.laddr.ip}:{connection.laddr.port}"
    return None


def _says(process: psutil.Process, word: str) -> bool:
    try:
        return any(word in part for part in process.cmdline())
    except _GONE:
        return False


def _belongs(process: psutil.Process, folder: str) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return process.environ().get(MARK) == folder or any(folder in part for part in process.cmdline())
    except _GONE:
        return False


def _lock_lines() -> list[str]:
    # A line that begins with "->" after its number is a process that waits for the lock above.
    lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    return [line for line in lines if "->" not in line]


def _as_in_proc_locks(path: Path) -> str:
    found = path.stat()
    return f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
