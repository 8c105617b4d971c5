"""The page in Debian's Chromium: opened, watched for what must never happen, photographed."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright
from reportlab.pdfgen import canvas

from tests.deploy.support import debian

SCREENSHOTS: Final = Path(__file__).parents[3] / "screenshots"
"""Kept after the run and not in git."""

SITE: Final = "docqa.example.org"
FOREIGN: Final = "evil.example.org"

_WAITS_MS: Final = 30_000
_ARGUMENTS: Final = [
    "--no-sandbox",  # Chromium does not start as root otherwise
    f"--host-resolver-rules=MAP {SITE} 127.0.0.1, MAP {FOREIGN} 127.0.0.1",
]


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window, for the time of a block."""
    debian.ensure_root()
    debian.ensure("chromium")
    expect.set_options(timeout=_WAITS_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=_ARGUMENTS)
        yield browser
        browser.close()


class Visit:
    """One tab on the page. At its end no script failed, no policy was broken, nothing came from elsewhere."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.errors: list[str] = []
        self.requests: list[str] = []
        page.set_default_timeout(_WAITS_MS)
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._on_request)
        page.on("dialog", lambda dialog: self.errors.append(f"a dialog: {dialog.message}"))
        self.response = page.goto(url)

    def _on_console(self, message: ConsoleMessage) -> None:
        # A refusal is no mistake of the page.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.errors.append(message.text)

    def _on_request(self, request: Request) -> None:
        self.requests.append(request.url)

    def check(self) -> None:
        """Raises AssertionError."""
        assert not self.errors
        own = urlsplit(self.url)
        foreign = [url for url in self.requests if urlsplit(url)[:2] != own[:2] and not url.startswith("blob:")]
        assert not foreign

    def section(self, name: str) -> None:
        self.page.get_by_role("link", name=name, exact=True).click()

    def ask(self, question: str) -> Any:
        """Ask, without waiting; the answer's card."""
        self.page.get_by_label("Your question").fill(question)
        self.page.get_by_role("button", name="Ask", exact=True).click()
        return self.page.get_by_role("article", name=f"Question: {question}").first

    def violations(self) -> list[str]:
        """What axe-core finds wrong with what is shown now."""
        found = Axe().run(self.page).response["violations"]
        return [f"{one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"]]

    def is_wider_than_the_window(self) -> bool:
        wide: bool = self.page.evaluate("() => document.documentElement.scrollWidth > window.innerWidth")
        return wide

    def photograph(self, name: str) -> None:
        SCREENSHOTS.mkdir(exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{re.sub('[^a-z0-9]+', '-', name.lower())}.png")


@contextlib.contextmanager
def visiting(browser: Browser, url: str, **options: Any) -> Iterator[Visit]:
    """A tab of a context of its own."""
    context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
    try:
        visit = Visit(context.new_page(), url)
        yield visit
        visit.check()
    finally:
        context.close()


def pdf(path: Path, pages: list[list[str]]) -> Path:
    """A PDF with these lines."""
    drawn = canvas.Canvas(str(path))
    for lines in pages:
        text = drawn.beginText(72, 750)
        text.setLeading(16)
        for line in lines:
            text.textLine(line)
        drawn.drawText(text)
        drawn.showPage()
    drawn.save()
    return path
