"""Debian's packages for the heavy tests: installed when they are missing, by who may; else the test says why not."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

CERTIFICATES: Final = "/etc/ssl/certs/ca-certificates.crt"
_WAITS_FOR_APT_S = 300


def ensure(*packages: str) -> None:
    """Install what is missing; skips the test with a reason where this machine can't."""
    if missing := [package for package in packages if not _is_installed(package)]:
        if reason := _hindrance():
            pytest.skip(f"needs Debian's {', '.join(missing)}: {reason}")
        _apt("update", "-qq")
        _apt("install", "-y", "-qq", "--no-install-recommends", *missing)


def trust_as_here(root: Path) -> None:
    """A machine behind a proxy of its own believes an authority that a bootstrapped Debian does not know."""
    if Path(CERTIFICATES).exists() and (there := root / CERTIFICATES[1:]).parent.is_dir():
        shutil.copy(CERTIFICATES, there)


def ensure_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")


def _is_installed(package: str) -> bool:
    if not shutil.which("dpkg-query"):
        return False
    asked = ["dpkg-query", "--show", "--showformat", "${db:Status-Status}", package]
    return subprocess.run(asked, capture_output=True, check=False).stdout == b"installed"


def _hindrance() -> str | None:
    if not shutil.which("apt-get"):
        return "this is no Debian"
    return None if os.geteuid() == 0 else "only root may install them"


def _apt(*arguments: str) -> None:
    command = ["apt-get", "-o", f"DPkg::Lock::Timeout={_WAITS_FOR_APT_S}", *arguments]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"apt-get {arguments[0]} failed: {done.stderr.strip()[-300:]}")
