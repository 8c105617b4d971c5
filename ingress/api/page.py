"""The page at `/`: its files, read once at the start and served as they are. What they show comes from the API."""

import hashlib
from pathlib import Path
from typing import Any, Final

import msgspec
from litestar import Response, Router, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from ingress.services import HttpRequest, HttpResponse

FOLDER: Final = Path(__file__).parents[1] / "page"

_INDEX: Final = "index.html"
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HEADERS: Final = {
    # Kept, and asked for again each time: after an upgrade no file meets one of another version.
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class File(msgspec.Struct, frozen=True):
    """One file of the page."""

    content: bytes
    headers: dict[str, str]
    """With its type, and the `ETag` that its content has."""


def read(folder: Path = FOLDER) -> dict[str, File]:
    """All files of the page by name; a request can name no other."""
    return {path.name: _file(path) for path in folder.iterdir() if path.suffix in _TYPES}


def _file(path: Path) -> File:
    content = path.read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    return File(content, {**_HEADERS, "Content-Type": _TYPES[path.suffix], "ETag": tag})


def create_page() -> Router:
    """The page's routes; they need no token, since they hold nothing but the page itself."""
    files = read()

    @get("/")
    async def index(request: HttpRequest) -> HttpResponse:
        """The page."""
        return respond(request, files[_INDEX])

    @get("/page/{name:str}")
    async def part(request: HttpRequest, name: FromPath[str]) -> HttpResponse:
        """A style sheet, a script or a picture of the page."""
        if name not in files:
            raise NotFoundException
        return respond(request, files[name])

    return Router("/", route_handlers=[index, part])


def respond(request: HttpRequest, file: File) -> Response[Any]:
    """The file, or 304 to a browser that has this very content."""
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if file.headers["ETag"] in known or "*" in known:
        return Response(b"", status_code=304, headers=file.headers)
    return Response(file.content, headers=file.headers)
