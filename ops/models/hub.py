"""What a model hub says of a repository's files: names, sizes, SHA-256. Knows the hub's API, and no disk."""

import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

import httpx
import msgspec

from contract.errors import DocQAError

_REPOSITORY: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_PART: Final = re.compile(r"(?P<stem>.+)-\d{5}-of-(?P<count>\d{5})\.gguf")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_SUFFIX: Final = ".gguf"
_SHOWN: Final = 12
_MOST_PAGES: Final = 100
"""Of a list of files: more than the largest repository has."""
_FOLDERS: Final = ("directory", "folder", "tree", "dir")


class Remote(msgspec.Struct, frozen=True, kw_only=True):
    """A file to fetch. A size or hash that the hub does not name is None."""

    url: str
    name: str
    """Of the file on the disk, without folders."""
    size_bytes: int | None = None
    sha256: str | None = None


class _Entry(msgspec.Struct, frozen=True):
    """A file as a hub lists it; what it does not say in words that are known is empty."""

    path: str
    size: int = 0
    sha256: str = ""


def resolve(what: str, hub: str, client: httpx.Client) -> list[Remote]:
    """The files of `OWNER/REPO`, `OWNER/REPO:FILE` or a URL; several for a model in parts. Raises DocQAError."""
    if "://" in what:
        return [_at_url(what)]
    repository, _, wanted = what.partition(":")
    if not _REPOSITORY.fullmatch(repository):
        raise DocQAError(f"`{what}` is neither OWNER/REPO, OWNER/REPO:FILE nor a URL.")
    chosen = _chosen(repository, _files(repository, hub, client), wanted)
    return [_remote(repository, entry, hub) for entry in chosen]


def hash_in(headers: httpx.Headers) -> str | None:
    """The SHA-256 that a hub's response names in its entity tag."""
    for name in ("X-Linked-Etag", "ETag"):
        tag: str = headers.get(name, "").removeprefix("W/").strip('"')
        if _SHA256.fullmatch(tag):
            return tag
    return None


def _at_url(url: str) -> Remote:
    try:
        parts = urlsplit(url)
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        raise DocQAError(f"{url} is no URL.") from None
    name = unquote(parts.path).rpartition("/")[2]
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise DocQAError(f"{url}: only http and https can be fetched.")
    if not name.endswith(_SUFFIX) or name.startswith("."):
        raise DocQAError(f"{url} names no GGUF file: its path must end with a name and {_SUFFIX}.")
    return Remote(url=url, name=name)


def _files(repository: str, hub: str, client: httpx.Client) -> list[_Entry]:
    address = f"{hub}/api/models/{repository}/tree/main?recursive=true"
    found: list[Any] = []
    for _ in range(_MOST_PAGES):
        response = client.get(address)
        if response.status_code in (401, 403):
            raise DocQAError(
                f"{hub} does not show {repository} without a token that may read it: set DOCQA_MODEL_HUB_TOKEN."
            )
        if response.status_code == 404:
            raise DocQAError(f"{hub} has no repository {repository}; a private one needs DOCQA_MODEL_HUB_TOKEN.")
        if response.status_code != 200:
            raise DocQAError(f"{hub} answered {response.status_code} for the list of {repository}'s files.")
        try:
            found += msgspec.json.decode(response.content, type=list[Any])
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise DocQAError(f"{hub} answered with something else than a list of {repository}'s files.") from None
        following = response.links.get("next", {}).get("url")
        if not following:
            break
        address = str(response.url.join(following))
    return [entry for entry in map(_entry, found) if entry]


def _entry(listed: Any) -> _Entry | None:
    """None for what is no GGUF file. Hubs differ in what they add to a file: one odd entry must not hide the others."""
    if not isinstance(listed, dict):
        return None
    path = listed.get("path") or listed.get("rfilename")
    if not isinstance(path, str) or not path.endswith(_SUFFIX) or listed.get("type") in _FOLDERS:
        return None
    blob = listed["lfs"] if isinstance(listed.get("lfs"), dict) else {}
    sizes = (blob.get("size"), listed.get("size"))
    hashes = (blob.get("oid"), blob.get("sha256"), listed.get("sha256"))
    size = next((one for one in sizes if type(one) is int and one > 0), 0)
    sha256 = next((str(one).lower().removeprefix("sha256:") for one in hashes if one), "")
    return _Entry(path, size, sha256)


def _chosen(repository: str, files: Sequence[_Entry], wanted: str) -> list[_Entry]:
    """The one model that is named, whole or by a part of its name, or the only one there is."""
    models: dict[str, list[_Entry]] = {}
    for entry in sorted(files, key=lambda one: one.path):
        part = _PART.fullmatch(entry.path)
        models.setdefault(f"{part['stem']}{_SUFFIX}" if part else entry.path, []).append(entry)
    if not models:
        raise DocQAError(f"{repository} has no GGUF file.")
    exact = [parts for name, parts in models.items() if wanted in (name, *(part.path for part in parts))]
    alike = exact or [parts for name, parts in models.items() if wanted.lower() in name.lower()]
    if len(alike) != 1:
        names = [*models] if not alike else [name for name, parts in models.items() if parts in alike]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        listed = f"{', '.join(names[:_SHOWN])}{more}"
        problem = "names no file of" if not alike else "names several files of" if wanted else "does not say which of"
        raise DocQAError(f"`{repository}{wanted and ':'}{wanted}` {problem} {repository}: it has {listed}.")
    return alike[0]


def _remote(repository: str, entry: _Entry, hub: str) -> Remote:
    name = entry.path.rpartition("/")[2]
    if name.startswith("."):
        raise DocQAError(f"{repository} has a file with the name {name}, which is not taken.")
    return Remote(
        url=f"{hub}/{repository}/resolve/main/{quote(entry.path)}",
        name=name,
        size_bytes=entry.size or None,
        sha256=entry.sha256 if _SHA256.fullmatch(entry.sha256) else None,
    )
