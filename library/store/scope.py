"""Which passages a search may see, and the tokens that say it in the index.

Each passage carries the tokens of its document, of its space and, in `root`, of every folder above it; so a search
within a scope never looks at what lies outside of it.
"""

import hashlib

import msgspec

from contract.topology import ROOT_SPACE

VISIBLE = "v"
HIDDEN = "h"
"""Of passages that a reader of the original does not see."""


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """All of these spaces, folders (or files) of `root`, and documents; empty: nothing."""

    spaces: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    with_hidden: bool = False

    @property
    def is_empty(self) -> bool:
        return not (self.spaces or self.folders or self.documents)

    def tokens(self) -> list[str]:
        """A passage is in the scope if it carries one of these."""
        return [
            *(_token("s", space) for space in self.spaces),
            *(_token("f", folder.strip("/")) for folder in self.folders),
            *(_token("d", document) for document in self.documents),
        ]


def tokens_of(document: str, space: str, name: str, *, is_hidden: bool) -> str:
    """What a passage of this document carries."""
    tokens = [HIDDEN if is_hidden else VISIBLE, _token("d", document), _token("s", space)]
    if space == ROOT_SPACE:
        parts = name.split("/")
        tokens += [_token("f", "/".join(parts[:count])) for count in range(1, len(parts) + 1)]
    return " ".join(tokens)


def _token(kind: str, name: str) -> str:
    return kind + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:20]
