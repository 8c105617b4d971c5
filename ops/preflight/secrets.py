"""Checks secrets: where each comes from, who can read its file, and whether access needs a token."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from contract.errors import SettingsError
from contract.settings import SECRET_NAMES, read_secret
from ops.nats import address
from ops.preflight.context import Context
from ops.preflight.finding import Finding, failure, ok, warning

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_EVERYBODY: Final = stat.S_IRWXO
_CURE_OPEN: Final = "Set DOCQA_TOKEN_FILE, or DOCQA_TOKENS with `docqa tokens create`."


def check(context: Context) -> list[Finding]:
    is_production = context.environment.get("DOCQA_ENV") == "production"
    found = [check_secret(name, context.environment, is_production=is_production) for name in sorted(SECRET_NAMES)]
    found.append(check_tokens(context.environment, is_production=is_production))
    found += [check_file(path, _OTHERS) for path in _kept_files(context) if path.exists()]
    return merged([finding for finding in found if finding])


def check_secret(name: str, environment: Mapping[str, str], *, is_production: bool) -> Finding | None:
    """None if it is not set."""
    try:
        text = read_secret(name, environment)
    except SettingsError as error:
        return failure("secrets", str(error).rstrip("."), "Correct the file, and let the user who runs docqa read it.")
    if not text:
        return None
    if path := file_of(name, environment):
        return check_file(path, _OTHERS)
    if is_production:
        return warning(
            "secrets",
            f"{name} is in the environment, which child processes inherit and crash reports include",
            f"Use a file: {name}_FILE, or LoadCredential= in the unit.",
        )
    return ok("secrets", f"{name} is set")


def file_of(name: str, environment: Mapping[str, str]) -> Path | None:
    """The file of a secret, in the services' order of precedence."""
    folder = environment.get("CREDENTIALS_DIRECTORY")
    if folder and (Path(folder) / name).is_file():
        return Path(folder) / name
    named = environment.get(f"{name}_FILE")
    return Path(named) if named else None


def check_file(path: Path, forbidden: int) -> Finding:
    try:
        found = path.stat()
    except OSError as error:
        return failure("secrets", f"{path}: {error.strerror}", "Let the user who runs docqa read it.")
    mode = stat.S_IMODE(found.st_mode)
    if path.is_dir() and mode & forbidden:
        # Its files have modes of their own, but even their names should not be visible to others.
        return warning("secrets", f"{path} is open to others ({mode:04o})", f"chmod {_tight(path)} {path}")
    if mode & _EVERYBODY:
        return failure("secrets", f"{path} is open to everybody ({mode:04o})", f"chmod {_tight(path)} {path}")
    if mode & forbidden:
        return warning("secrets", f"{path} is open to its group ({mode:04o})", f"chmod {_tight(path)} {path}")
    if not os.access(path, os.R_OK):
        return failure("secrets", f"{path} cannot be read by this user", "chown it to the user who runs docqa.")
    return ok("secrets", f"{path} ({mode:04o})")


def check_tokens(environment: Mapping[str, str], *, is_production: bool) -> Finding:
    """Without tokens anyone who can connect may ask."""
    names = ("DOCQA_TOKEN", "DOCQA_TOKEN_FILE", "DOCQA_TOKENS")
    named = [name for name in names if environment.get(name)]
    if file_of("DOCQA_TOKEN", environment):
        named.append("DOCQA_TOKEN")
    if named:
        return ok("tokens", f"required ({', '.join(sorted(set(named)))})")
    detail = "not required: anyone who can connect to the socket or the port may ask"
    return warning("tokens", detail, _CURE_OPEN) if is_production else ok("tokens", f"{detail} (development)")


def merged(findings: list[Finding]) -> list[Finding]:
    """Combine all findings without a problem into one."""
    well = [finding for finding in findings if finding.name == "secrets" and finding.status == "ok"]
    rest = [finding for finding in findings if finding not in well]
    return [ok("secrets", "; ".join(finding.detail for finding in well)), *rest] if well else rest


def _kept_files(context: Context) -> list[Path]:
    data_dir = context.settings.data_dir
    tokens = context.environment.get("DOCQA_TOKENS")
    return [data_dir, address.credentials(data_dir).folder, *([Path(tokens)] if tokens else [])]


def _tight(path: Path) -> str:
    return "0700" if path.is_dir() else "0600"
