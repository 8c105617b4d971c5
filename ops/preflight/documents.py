"""Checks what the library needs: its folder and room, the embedder, DOCQA_ROOT, programs that read images, its role."""

import asyncio
import os
import shutil
import stat
from pathlib import Path
from typing import Final

from contract.bus import Bus, api
from contract.documents import FREE_FLOOR_BYTES, LIBRARY_FOLDER, root_overlaps
from contract.embedding import EmbeddingError, open_embedders
from contract.errors import BusError, SettingsError
from contract.settings import BusSettings, load
from contract.topology import IMPORTS_STREAM, LIBRARY_DURABLE
from ops.nats import address
from ops.preflight.context import Context
from ops.preflight.disk import existing
from ops.preflight.finding import Finding, failure, ok, size, warning
from ops.settings import DocumentSettings

_WHERE: Final = "/usr/local/bin:/usr/bin:/bin"
"""Where the library looks for programs."""
_ASKS_FOR_S: Final = 3.0


def check(context: Context) -> list[Finding]:
    """All but the bus, which `check_role` asks."""
    settings = load(DocumentSettings, context.environment)
    folder = context.settings.data_dir / LIBRARY_FOLDER
    found = [check_folder(folder), check_embedder(settings.embedding_model), *check_programs(settings.ocr)]
    free_bytes = shutil.disk_usage(existing(folder)).free
    found.append(check_room(free_bytes, settings.library_max_mb * 2**20))
    if settings.root:
        found.append(check_root(settings.root, context.settings.data_dir))
    return found


def check_folder(folder: Path) -> Finding:
    there = existing(folder)
    if not os.access(there, os.W_OK | os.X_OK):
        return failure(
            "documents",
            f"{there} cannot be written by this user",
            "Give it to the user who runs docqa (chown), or name another data folder with DOCQA_DATA_DIR.",
        )
    return ok("documents", f"in {folder}" if there == folder.absolute() else f"in {folder}, made by the first start")


def check_room(free_bytes: int, most_bytes: int) -> Finding:
    detail = f"{size(free_bytes)} free, at most {size(most_bytes)} of documents are kept"
    if free_bytes < FREE_FLOOR_BYTES:
        return warning(
            "room for documents",
            f"{detail}: none is taken with less than {size(FREE_FLOOR_BYTES)} free",
            "Free space, or put DOCQA_DATA_DIR on another disk.",
        )
    return ok("room for documents", detail)


def check_embedder(setting: str) -> Finding:
    """Loads what it names, as the library would."""
    try:
        embedders = open_embedders(setting, threads=1)
        if embedders is None:
            return ok("embedder", "off: documents are found by their words alone")
        # Without a function word: a model for one language is loaded too.
        embedders.embed_query("")
    except (EmbeddingError, SettingsError) as error:
        cure = "Correct DOCQA_EMBEDDING_MODEL, or set it to `off`: documents are found by their words then."
        return failure("embedder", str(error).rstrip("."), cure)
    return ok("embedder", ", ".join(one.name for one in embedders if one))


def check_programs(ocr: str) -> list[Finding]:
    """What is missing costs some documents, not the start."""
    programs = {"soffice": ("LibreOffice", "old Word files (.doc) are not read", "libreoffice-writer")}
    if ocr != "off":
        programs["tesseract"] = ("tesseract", "pages that are images are not read", "tesseract-ocr")
    return [_program(name, *words) for name, words in programs.items()]


def _program(name: str, title: str, without: str, package: str) -> Finding:
    if found := shutil.which(name, path=_WHERE):
        return ok(title, found)
    return ok(title, f"not installed: {without} (Debian: {package})")


def check_root(root: Path, data_dir: Path) -> Finding:
    """That it is a folder which can be read, and that following it would not read the library's own files."""
    cure = "Correct DOCQA_ROOT, or the folder's owner and permissions."
    try:
        is_folder = stat.S_ISDIR(root.stat().st_mode)
    except OSError as error:
        return failure("DOCQA_ROOT", f"{root}: {error.strerror}", cure)
    if not is_folder:
        return failure("DOCQA_ROOT", f"{root} is no folder", cure)
    if root_overlaps(root, data_dir):
        apart = "Name a folder apart from DOCQA_DATA_DIR: the library would read its own files."
        return failure("DOCQA_ROOT", f"{root} and the data folder {data_dir} lie within each other", apart)
    if not os.access(root, os.R_OK | os.X_OK):
        return failure("DOCQA_ROOT", f"{root} cannot be read by this user", cure)
    return ok("DOCQA_ROOT", f"{root} is followed")


async def check_role(context: Context) -> list[Finding]:
    """Whether the role `library` may do its work on the bus that runs; empty where none does."""
    if context.health.get("library", {}).get("status") == "ok":
        return [ok("role library", "the running library answers")]
    environment = context.environment
    if not environment.get("DOCQA_NATS_URL"):
        if not context.health:
            return []
        environment = {**environment, **address.environment_for(context.settings.data_dir, "library")}
    settings = load(BusSettings, environment)
    bus = Bus()
    try:
        async with asyncio.timeout(_ASKS_FOR_S):
            await bus.connect(settings, "library")
            await bus.request(api.consumer_info(IMPORTS_STREAM, LIBRARY_DURABLE), b"", _ASKS_FOR_S)
    except (TimeoutError, BusError):
        return [
            warning(
                "role library",
                f"the user `library` gets no answer about {IMPORTS_STREAM} at {settings.nats_url}",
                "Give it the password and the permissions of docs/deployment.md, and run `docqa nats` or `docqa up`.",
            )
        ]
    finally:
        await bus.close()
    return [ok("role library", f"may take work off {IMPORTS_STREAM}")]
