"""What a hub lists is read as far as it makes sense: mirrors say the same in other words."""

import json
from typing import Any

import httpx
import pytest

from contract.errors import DocQAError
from ops.models.hub import resolve

HUB = "https://hub.example"
SHA256 = "ab" * 32


def listing(*pages: Any) -> httpx.Client:
    """A client of a hub that answers with one page after the other, each naming the next."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        page = pages[min(len(asked), len(pages)) - 1]
        following = {"Link": f'</api/more?page={len(asked)}>; rel="next"'} if len(asked) < len(pages) else {}
        return httpx.Response(200, content=json.dumps(page).encode(), headers=following)

    return httpx.Client(transport=httpx.MockTransport(answer))


@pytest.mark.parametrize(
    ("entry", "size", "sha256"),
    [
        ({"type": "file", "path": "a.gguf", "size": 5, "lfs": {"oid": SHA256, "size": 7}}, 7, SHA256),
        ({"type": "blob", "path": "a.gguf", "size": 5, "lfs": None}, 5, None),
        ({"path": "a.gguf", "size": None, "lfs": {"sha256": SHA256, "size": "7"}}, None, SHA256),
        ({"rfilename": "a.gguf", "lfs": True}, None, None),
        ({"path": "a.gguf", "size": 5.5, "lfs": {"oid": f"sha256:{SHA256.upper()}", "size": None}}, None, SHA256),
        ({"path": "a.gguf", "size": -1, "sha256": 7}, None, None),
    ],
)
def test_a_file_is_taken_whatever_else_the_hub_says_of_it(entry: Any, size: int | None, sha256: str | None) -> None:
    odd = [None, 7, "x", {}, {"path": 7}, {"type": "tree", "path": "b.gguf"}, {"path": "README.md", "size": None}]
    [found] = resolve("owner/repo", HUB, listing([*odd, entry]))
    assert (found.name, found.size_bytes, found.sha256) == ("a.gguf", size, sha256)


def test_a_list_in_pages_is_read_to_its_end_by_relative_addresses_too() -> None:
    [found] = resolve("owner/repo", HUB, listing([{"path": "a.txt"}], [{"path": "b.txt"}], [{"path": "a.gguf"}]))
    assert found.name == "a.gguf"


def test_a_list_whose_pages_never_end_is_given_up() -> None:
    pages = [[{"path": "a.gguf"}], *([[]] * 5000)]
    [found] = resolve("owner/repo", HUB, listing(*pages))
    assert found.name == "a.gguf"


@pytest.mark.parametrize("content", [{"error": "x"}, None, "text", 7])
def test_what_is_no_list_is_one_sentence(content: Any) -> None:
    with pytest.raises(DocQAError, match="something else than a list of owner/repo's files"):
        resolve("owner/repo", HUB, listing(content))
