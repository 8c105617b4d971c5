"""Secrets and who can read them: where each comes from, its file's mode, and the doors that stand open without one."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from contract.errors import SettingsError
from contract.settings import SECRET_NAMES, read_secret
from ops.nats import address
from ops.preflight.context import Scene
from ops.preflight.finding import Finding, failure, ok, warning

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_EVERYBODY: Final = stat.S_IRWXO
_CURE_OPEN: Final = "Set DOCQA_TOKEN_FILE, or DOCQA_TOKENS with `docqa tokens create`."


def check(scene: Scene) -> list[Finding]:
    is_production = scene.environment.get("DOCQA_ENV") == "production"
    found = [judge_secret(name, scene.environment, is_production=is_production) for name in sorted(SECRET_NAMES)]
    found.append(judge_door(scene.environment, is_production=is_production))
    found += [judge_file(path, _OTHERS) for path in _kept_files(scene) if path.exists()]
    return merged([finding for finding in found if finding])


def judge_secret(name: str, environment: Mapping[str, str], *, is_production: bool) -> Finding | None:
    """None where it is not set."""
    try:
        text = read_secret(name, environment)
    except SettingsError as error:
        return failure("secrets", str(error).rstrip("."), "Mend the file, and let the user who runs docqa read it.")
    if not text:
        return None
    if path := file_of(name, environment):
        return judge_file(path, _OTHERS)
    if is_production:
        return warning(
            "secrets",
            f"{name} stands in the environment, which child processes and crash reports carry on",
            f"Give it as a file: {name}_FILE, or LoadCredential= in the unit.",
        )
    return ok("secrets", f"{name} is set")


def file_of(name: str, environment: Mapping[str, str]) -> Path | None:
    """The file that a secret comes from, in the order in which services look."""
    folder = environment.get("CREDENTIALS_DIRECTORY")
    if folder and (Path(folder) / name).is_file():
        return Path(folder) / name
    named = environment.get(f"{name}_FILE")
    return Path(named) if named else None


def judge_file(path: Path, forbidden: int) -> Finding:
    try:
        found = path.stat()
    except OSError as error:
        return failure("secrets", f"{path}: {error.strerror}", "Let the user who runs docqa read it.")
    mode = stat.S_IMODE(found.st_mode)
    if path.is_dir() and mode & forbidden:
        # What lies inside has modes of its own; that it is there is nobody's business either.
        return warning("secrets", f"{path} is open to others ({mode:04o})", f"chmod {_tight(path)} {path}")
    if mode & _EVERYBODY:
        return failure("secrets", f"{path} is open to everybody ({mode:04o})", f"chmod {_tight(path)} {path}")
    if mode & forbidden:
        return warning("secrets", f"{path} is open to its group ({mode:04o})", f"chmod {_tight(path)} {path}")
    if not os.access(path, os.R_OK):
        return failure("secrets", f"{path} can't be read by this user", "chown it to the user who runs docqa.")
    return ok("secrets", f"{path} ({mode:04o})")


def judge_door(environment: Mapping[str, str], *, is_production: bool) -> Finding:
    """Without a token everybody who reaches the socket may ask."""
    names = ("DOCQA_TOKEN", "DOCQA_TOKEN_FILE", "DOCQA_TOKENS")
    named = [name for name in names if environment.get(name)]
    if file_of("DOCQA_TOKEN", environment):
        named.append("DOCQA_TOKEN")
    if named:
        return ok("tokens", f"asked for ({', '.join(sorted(set(named)))})")
    detail = "none: everybody who reaches the socket or the port may ask"
    return warning("tokens", detail, _CURE_OPEN) if is_production else ok("tokens", f"{detail} (development)")


def merged(findings: list[Finding]) -> list[Finding]:
    """One line for all that is well with the secrets' files."""
    well = [finding for finding in findings if finding.name == "secrets" and finding.status == "ok"]
    rest = [finding for finding in findings if finding not in well]
    return [ok("secrets", "; ".join(finding.detail for finding in well)), *rest] if well else rest


def _kept_files(scene: Scene) -> list[Path]:
    data_dir = scene.settings.data_dir
    tokens = scene.environment.get("DOCQA_TOKENS")
    return [data_dir, address.credentials(data_dir).folder, *([Path(tokens)] if tokens else [])]


def _tight(path: Path) -> str:
    return "0700" if path.is_dir() else "0600"
