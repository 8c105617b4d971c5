"""The page's files: small, whole, loaded from nowhere else, and never able to read a text as HTML."""

import re

import httpx
import pytest
from litestar import Litestar

from ingress.api.page import FOLDER, create_page, read

FILES = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir() if path.is_file()}
SCRIPTS = sorted(name for name in FILES if name.endswith(".js"))


@pytest.fixture
def client() -> httpx.AsyncClient:
    app = Litestar([create_page()], openapi_config=None)
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]  # httpx has its own types of ASGI
    return httpx.AsyncClient(transport=transport, base_url="http://docqa")


async def test_the_page_and_its_parts_come_with_a_type_a_tag_and_a_strict_policy(client: httpx.AsyncClient) -> None:
    for path in ("/", *(f"/page/{name}" for name in FILES)):
        response = await client.get(path)
        assert response.status_code == 200, path
        assert response.headers["content-security-policy"].startswith("default-src 'self';")
        assert "unsafe" not in response.headers["content-security-policy"]
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-cache"
        assert response.headers["content-type"].startswith(
            ("text/html", "text/css", "text/javascript", "image/svg+xml")
        )
        assert re.fullmatch(r'"[0-9a-f]{32}"', response.headers["etag"])


async def test_a_browser_that_has_a_file_is_told_so_until_it_changes(client: httpx.AsyncClient) -> None:
    first = await client.get("/page/style.css")
    for tag in (first.headers["etag"], f'"other", W/{first.headers["etag"]}', "*"):
        again = await client.get("/page/style.css", headers={"If-None-Match": tag})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert (await client.get("/page/style.css", headers={"If-None-Match": '"other"'})).status_code == 200


@pytest.mark.parametrize(
    "path", ["/page/", "/page/none.js", "/page/..%2fsettings.py", "/page/%2e%2e/settings.py", "/index.html"]
)
async def test_no_other_file_is_to_be_had(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


def test_every_file_of_the_folder_is_served() -> None:
    assert set(read()) == set(FILES)


def test_it_is_small() -> None:
    assert sum(len(text.encode()) for text in FILES.values()) < 120_000
    assert not [name for name, text in FILES.items() if text.count("\n") > 400]


def test_nothing_is_loaded_from_elsewhere_and_every_address_is_relative() -> None:
    """A prefix before the page's path must change nothing."""
    for name, text in FILES.items():
        addresses = re.findall(r"https?://[^\s\"'`)]+", text)
        assert not [found for found in addresses if found != "http://www.w3.org/2000/svg"], name
        assert not re.findall(r"""(?:href|src|action|from|url\(|request\(|json\(|fetch\()\s*=?\s*["'`]/""", text), name


def test_the_html_has_no_script_style_or_listener_of_its_own() -> None:
    html = FILES["index.html"]
    assert not re.findall(r"<style|\sstyle=|\son[a-z]+=|javascript:", html)
    assert re.findall(r"<script[^>]*>", html) == ['<script type="module" src="page/main.js">']


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_reads_a_text_as_html_or_code(name: str) -> None:
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|new Function|localStorage|cookie"
    )
    assert not re.findall(forbidden, FILES[name])


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_says_what_it_is_and_imports_what_is_there(name: str) -> None:
    assert FILES[name].startswith("// ")
    for module in re.findall(r'from "\./([^"]+)"', FILES[name]):
        assert module in FILES


def test_every_element_that_a_script_names_is_on_the_page() -> None:
    ids = set(re.findall(r'\sid="([^"]+)"', FILES["index.html"]))
    named = {found for name in SCRIPTS for found in re.findall(r'byId\("([^"]+)"\)', FILES[name])}
    assert named <= ids, named - ids
