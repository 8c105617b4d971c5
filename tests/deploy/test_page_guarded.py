"""The page where tokens are needed, behind nginx and below a prefix, and what pages of other sites can't do with it."""

import contextlib
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import httpx
import pytest
from playwright.sync_api import Browser, FilePayload, expect

from bench.targets.free_ports import free_ports
from tests.deploy.support import debian
from tests.deploy.support.browser import FOREIGN, SITE, Visit, chromium, visiting
from tests.deploy.support.front import Front, front
from tests.support.stack import Beside, Options, Stack, running
from tests.support.waiting import until

TOKEN: Final = "t" * 32
PREFIX: Final = """
    location /docqa/ {
        rewrite ^/docqa(/.*)$ $1 break;
        include snippets/goblin-docqa-proxy.conf;
        client_max_body_size 201m;
        proxy_request_buffering off;
    }
"""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    debian.ensure_root()
    debian.ensure("nginx-light")
    with running(Options(queue_size=10, slots=2)) as stack:
        yield stack


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def nginx(stack: Stack) -> Iterator[Front]:
    """As it is shipped, with the location for a prefix that docs/page.md shows."""
    with front(stack, PREFIX) as nginx:
        yield nginx


def uses_all_of_it(visit: Visit) -> None:
    """Brings a document in, asks about it, reads the passage, deletes it."""
    page = visit.page
    visit.section("Documents")
    file = FilePayload(name="lamp.txt", mimeType="text/plain", buffer=b"The lamp costs 40 euros.")
    page.get_by_label("choose files").set_input_files([file])
    expect(page.get_by_role("region", name="Uploads")).to_contain_text("1 ready")
    visit.section("Ask")
    page.get_by_text("Options").click()
    page.get_by_label("Style").select_option("quote")
    card = visit.ask("What does the lamp cost?")
    card.get_by_role("button", name="Source 1: lamp.txt").click()
    expect(page.locator("#reader-text mark")).to_have_text("The lamp costs 40 euros.")
    page.get_by_role("button", name="Close").click()
    visit.section("Documents")
    page.get_by_role("button", name="Delete lamp.txt").click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.locator("#list")).not_to_contain_text("lamp.txt")
    expect(page.locator("#pill")).not_to_contain_text("Connecting")


@pytest.mark.parametrize("path", ["/", "/docqa/"])
def test_it_works_behind_nginx_on_the_unix_socket_and_below_a_prefix(browser: Browser, nginx: Front, path: str) -> None:
    address = f"https://{SITE}:{nginx.tls_port}{path}"
    with visiting(browser, address, ignore_https_errors=True) as visit:
        uses_all_of_it(visit)
        assert visit.response
        policy = visit.response.headers["content-security-policy"]
    assert policy.startswith("default-src 'self'")
    assert "default-src 'none'" not in policy


def test_behind_a_proxy_that_names_its_users_nothing_is_asked_and_each_has_documents_of_their_own(
    browser: Browser, stack: Stack
) -> None:
    """Also a user who sends another one's name."""
    users = {"Ada": "lovelace", "bob": "builder"}
    with front(stack, users=users) as nginx:

        def seen_by(name: str) -> AbstractContextManager[Visit]:
            return visiting(
                browser,
                f"https://{SITE}:{nginx.tls_port}/#documents",
                ignore_https_errors=True,
                http_credentials={"username": name, "password": users[name]},
                extra_http_headers={"X-User": "Ada"},
            )

        with seen_by("Ada") as visit:
            expect(visit.page.get_by_text("Ada", exact=True)).to_be_visible()
            file = FilePayload(name="hers.txt", mimeType="text/plain", buffer=b"The lamp costs 40 euros.")
            visit.page.get_by_label("choose files").set_input_files([file])
            expect(visit.page.locator("#list")).to_contain_text("hers.txt")
            assert not visit.violations()
            visit.photograph("user")
        with seen_by("bob") as visit:
            expect(visit.page.get_by_text("bob", exact=True)).to_be_visible()
            expect(visit.page.locator("#list-sum")).to_contain_text("No documents yet.")
            expect(visit.page.get_by_role("dialog")).to_have_count(0)


def test_a_token_is_asked_for_once_and_kept_in_its_tab_alone(browser: Browser, stack: Stack, tmp_path: Path) -> None:
    with guarded(stack, tmp_path) as url, visiting(browser, url) as visit:
        page = visit.page
        dialog = page.get_by_role("dialog", name="A token is needed")
        give(visit, "wrong")
        expect(dialog).to_contain_text("This token is not known, or it has expired.")
        assert not visit.violations()
        visit.photograph("token")
        give(visit, TOKEN)
        expect(dialog).to_be_hidden()
        uses_all_of_it(visit)
        assert page.evaluate("() => [Object.values(sessionStorage), localStorage.length, document.cookie]") == [
            [TOKEN],
            0,
            "",
        ]
        assert not [url for url in visit.requests if TOKEN in url]
        page.reload()
        expect(page.locator("#ask-space option")).not_to_have_count(0)
        expect(dialog).to_be_hidden()
        other = page.context.new_page()
        other.goto(url)
        expect(other.get_by_role("dialog", name="A token is needed")).to_be_visible()


def give(visit: Visit, token: str) -> None:
    visit.page.get_by_label("Token", exact=True).fill(token)
    visit.page.get_by_role("button", name="Go on").click()


@contextlib.contextmanager
def guarded(stack: Stack, folder: Path) -> Iterator[str]:
    """An ingress beside the stack's own that needs a token; its page's address."""
    [port] = free_ports(1)
    settings = {"DOCQA_TOKEN": TOKEN, "DOCQA_PORT": str(port), "DOCQA_UDS": str(stack.folder / "guarded")}
    ingress = Beside(stack, "ingress", "ingress", {**settings, "DOCQA_DATA_DIR": str(stack.ready().data_dir)})
    ingress.start()
    try:
        until(lambda: _answers(port), "the ingress with a token answers")
        yield f"http://127.0.0.1:{port}/"
        ingress.stop()
    finally:
        ingress.destroy()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health/live", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


ATTACK: Final = """<!doctype html><title>x</title><body><script>
const target = new URLSearchParams(location.search).get("at");
const form = new FormData();
form.append("file", new Blob(["Pay the goblin."]), "attack.txt");
const tries = {
  upload: () => fetch(target + "api/documents", { method: "POST", mode: "no-cors", body: form }),
  question: () => fetch(target + "api/query", { method: "POST", mode: "no-cors", body: '{"query":"attack?"}' }),
  read: () => fetch(target + "api/documents").then((got) => got.text()),
  remove: () => fetch(target + "api/documents/" + location.hash.slice(1), { method: "DELETE" }),
  picture: () => new Promise((shown, not) => {
    const picture = document.body.appendChild(new Image());
    Object.assign(picture, { onload: shown, onerror: not, src: target + "page/icon.svg" });
  }),
  form: () => new Promise((sent) => {
    const frame = document.body.appendChild(document.createElement("iframe"));
    frame.name = "hidden";
    const real = document.createElement("form");
    Object.assign(real, { action: target + "api/documents", method: "POST", enctype: "multipart/form-data" });
    real.target = "hidden";
    const file = document.createElement("input");
    Object.assign(file, { type: "file", name: "file" });
    const moved = new DataTransfer();
    moved.items.add(new File(["Pay the goblin."], "form.txt"));
    file.files = moved.files;
    real.append(file);
    document.body.append(real);
    real.submit();
    setTimeout(sent, 1000); // a refusal may load nothing
  }),
};
(async () => {
  const outcomes = {};
  for (const [name, attempt] of Object.entries(tries)) {
    try { const got = await attempt(); outcomes[name] = got?.type ?? "done"; } catch { outcomes[name] = "failed"; }
  }
  document.title = JSON.stringify(outcomes);
  document.body.append(Object.assign(document.createElement("p"), { id: "over", textContent: document.title }));
})();
</script>"""


@contextlib.contextmanager
def foreign_site() -> Iterator[int]:
    """A page that attacks, on every name that leads here; its port."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(ATTACK.encode())

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("name", [FOREIGN, "127.0.0.1", "localhost"])
def test_a_page_of_another_site_reads_sends_and_deletes_nothing(browser: Browser, stack: Stack, name: str) -> None:
    """Also one on another port of this very machine."""
    target = f"{stack.ready().http}/"
    with httpx.Client(base_url=target, trust_env=False) as http, foreign_site() as port:
        kept = http.post("api/documents", files={"file": ("kept.txt", b"To be kept.")}).json()["id"]
        until(lambda: http.get(f"api/documents/{kept}").json()["state"] == "ready", "the document is read")
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"http://{name}:{port}/?at={target}#{kept}")
        expect(page.locator("#over")).to_be_attached()
        outcomes = page.locator("#over").text_content() or ""
        context.close()
        documents = http.get("api/documents").json()["documents"]
    assert '"read":"failed"' in outcomes
    assert '"remove":"failed"' in outcomes
    assert '"picture":"failed"' in outcomes
    assert [document["name"] for document in documents] == ["kept.txt"]


def test_a_name_that_leads_here_is_not_this_machine(browser: Browser, stack: Stack) -> None:
    """DNS rebinding: the foreign page's own name points to the loopback, so that it would be of the same origin."""
    port = stack.ready().http.rpartition(":")[2]
    page = browser.new_context().new_page()
    response = page.goto(f"http://{FOREIGN}:{port}/")
    assert response
    assert response.status == 421
    page.context.close()
