"""Wheels made of what is installed here: a machine that is to run it needs no network and compiles nothing."""

import platform
import re
import sys
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Final

import pytest
from packaging.markers import Marker
from packaging.version import Version

from tests.deploy.support.places import ROOT

BOOKWORM_PYTHON: Final = (3, 11)
BOOKWORM_GLIBC: Final = "2.36"
_LINE = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==[^ ;\\]+(?: *; *(?P<marker>[^\\]+))?")


def ensure_they_fit() -> None:
    """Skips the test where what is compiled here does not run on the machine that is booted."""
    if sys.version_info[:2] != BOOKWORM_PYTHON:
        pytest.skip("needs Python 3.11, Debian 12's own: the booted machine runs wheels that are made here")
    if Version(platform.libc_ver()[1] or "0") > Version(BOOKWORM_GLIBC):
        pytest.skip("needs a C library no newer than Debian 12's: the booted machine runs wheels that are made here")


def make_wheels(folder: Path) -> None:
    """Every package that the lock names for this machine."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8").splitlines()
    for found in filter(None, map(_LINE.match, lines)):
        if not found["marker"] or Marker(found["marker"].strip()).evaluate():
            pack(distribution(found["name"]), folder)


def pack(installed: Distribution, folder: Path) -> None:
    """The wheel that this was installed from, but for the hashes in it."""
    name = installed.metadata["Name"].replace("-", "_").replace(".", "_").lower()
    stem = f"{name}-{installed.version}"
    tags = re.findall(r"^Tag: (.*)-(.*)-(.*)$", installed.read_text("WHEEL") or "", re.MULTILINE)
    # All of them in one name, as wheels have it: py2.py3-none-any.
    tag = "-".join(".".join(dict.fromkeys(part)) for part in zip(*tags, strict=True))
    with zipfile.ZipFile(folder / f"{stem}-{tag}.whl", "w") as wheel:
        names = []
        for entry in installed.files or ():
            path = str(entry)
            if path.endswith((".pyc", "/RECORD", "/INSTALLER", "/REQUESTED", "/direct_url.json")):
                continue
            if path.startswith(".."):
                if _is_generated(installed, entry.name):
                    continue
                path = f"{stem}.data/scripts/{entry.name}"
            wheel.write(str(entry.locate()), path)
            names.append(path)
        record = f"{_info_folder(installed)}/RECORD"
        wheel.writestr(record, "".join(f"{each},,\n" for each in [*names, record]))


def _is_generated(installed: Distribution, name: str) -> bool:
    return any(point.name == name for point in installed.entry_points)


def _info_folder(installed: Distribution) -> str:
    return next(str(entry.parent) for entry in installed.files or () if entry.name == "METADATA")
