"""Where the booted machine could not run what is compiled here, its tests say so and are left out."""

import platform
import sys

import pytest

from tests.deploy.support.wheels import BOOKWORM_PYTHON, ensure_they_fit


def test_a_newer_c_library_skips_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (*BOOKWORM_PYTHON, 9))
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.39"))
    with pytest.raises(pytest.skip.Exception, match="needs a C library no newer than Debian 12's"):
        ensure_they_fit()


def test_another_python_skips_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 12, 1))
    with pytest.raises(pytest.skip.Exception, match=r"needs Python 3\.11, Debian 12's own"):
        ensure_they_fit()


def test_debian_12_itself_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (*BOOKWORM_PYTHON, 2))
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.36"))
    ensure_they_fit()
