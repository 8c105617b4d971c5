"""The page as its users meet it, in a real browser: one stack with the bundled model, one Chromium."""

import contextlib
import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Route, expect

from tests.deploy.support.browser import Visit, chromium, pdf, visiting
from tests.support.stack import Options, Stack, running
from tests.support.waiting import until

LEASE = [
    ["Lease agreement", "", "The flat is on the second floor of 14 Mill Lane.", "The lease begins on 1 March."],
    ["Rent", "", "The rent is 950 euros a month, due on the third working day."],
    ["Ending the lease", "", "The tenant may end this lease by giving two months' notice in writing."],
]
HOSTILE = "<img src=x onerror=alert(1)>.txt"
QUEUE_SIZE = 4
SIZES = [(360, 740), (1920, 1080)]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running(Options(queue_size=QUEUE_SIZE, slots=2, engine="llama", embedder=True)) as stack:
        yield stack


@pytest.fixture(scope="module")
def url(stack: Stack) -> str:
    return f"{stack.ready().http}/"


@pytest.fixture(scope="module")
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=90, trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("files")
    lease = pdf(folder / "Lease.pdf", LEASE)
    (folder / HOSTILE).write_text("The lamp costs 40 euros.\n")
    (folder / "Minutes.md").write_text("# Minutes\n\nThe board approved a budget of two million euros.\n")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing")
    return [lease, folder / HOSTILE, folder / "Minutes.md", folder / "broken.pdf"]


@pytest.fixture(scope="module")
def library(http: httpx.Client, files: list[Path]) -> dict[str, str]:
    """The files, read; their ids by name."""
    for file in files:
        http.post("api/documents", files={"file": (file.name, file.read_bytes())}).raise_for_status()

    def ids() -> dict[str, str]:
        found = http.get("api/documents").json()["documents"]
        are_read = len(found) >= len(files) and all(one["state"] in ("ready", "failed") for one in found)
        return {one["name"]: one["id"] for one in found} if are_read else {}

    return until(ids, "the documents are read", 60)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def visit(browser: Browser, url: str) -> Iterator[Visit]:
    with visiting(browser, url) as visit:
        yield visit


def test_an_answer_shows_where_it_stands_and_opens_the_passage_and_the_original(
    visit: Visit, library: dict[str, str]
) -> None:
    page = visit.page
    card = visit.ask("How much notice must the tenant give?")
    mark = card.get_by_role("button", name="Source 1: Lease.pdf, page 3")
    expect(mark).to_be_visible()
    mark.click()
    reader = page.get_by_role("complementary")
    expect(reader.locator("mark")).to_have_text(
        "The tenant may end this lease by giving two months' notice in writing."
    )
    expect(reader).to_contain_text("Page 3 of 3")
    visit.photograph("passage")
    with page.context.expect_page() as opened:
        reader.get_by_role("button", name="Open the original at page 3").click()
    opened.value.wait_for_url(re.compile("^blob:.*#page=3$"))
    page.keyboard.press("Escape")
    expect(mark).to_be_focused()


def test_the_link_of_an_annotation_opens_the_passage(visit: Visit, http: httpx.Client, library: dict[str, str]) -> None:
    said = [{"role": "user", "content": "How much notice must the tenant give?"}]
    body = {"model": "docqa", "messages": said, "documents": [library["Lease.pdf"]], "style": "quote"}
    message = http.post("v1/chat/completions", json=body).json()["choices"][0]["message"]
    visit.page.goto("about:blank")
    visit.page.goto(message["annotations"][0]["url_citation"]["url"])
    expect(visit.page.locator("#reader-text mark")).to_have_text(
        "The tenant may end this lease by giving two months' notice in writing."
    )
    expect(visit.page.get_by_role("complementary")).to_contain_text("Lease.pdf")
    visit.page.goto(f"{visit.url}#passage?document=../jobs&start=x")
    expect(visit.page.get_by_label("Your question")).to_be_visible()


def test_what_the_document_does_not_seem_to_say_is_marked(visit: Visit, library: dict[str, str]) -> None:
    card = visit.ask("Who won the race in Monaco?")
    expect(card).to_contain_text("The document does not seem to say.")
    visit.photograph("not said")


def test_pasted_text_answers_and_its_passage_opens_although_a_secret_was_taken_out(visit: Visit) -> None:
    page = visit.page
    page.get_by_role("radio", name="Pasted text").check()
    secret = "password: " + "hunter2-" + "x8K!qq9"
    page.get_by_label("Text to answer from").fill(f"The account has the {secret}.\n\n😀 The lamp costs 40 euros.")
    card = visit.ask("What does the lamp cost?")
    card.locator(".ref").first.click()
    expect(page.locator("#reader-text mark")).to_contain_text("The lamp costs 40 euros.")


def test_chosen_documents_alone_answer(visit: Visit, library: dict[str, str]) -> None:
    page = visit.page
    page.get_by_role("radio", name="Some documents").check()
    page.get_by_label("Find a document").fill("Min")
    page.get_by_role("button", name="Minutes.md", exact=True).click()
    card = visit.ask("How large is the budget?")
    expect(card.get_by_role("button", name="Source 1: Minutes.md")).to_be_visible()


def test_a_folder_that_is_watched_can_be_chosen_as_a_whole(visit: Visit) -> None:
    page = visit.page
    spaces = [
        {"name": "own", "documents": 0, "may_write": True, "is_own": True},
        {"name": "root", "documents": 2, "may_write": False, "is_own": False},
    ]
    names = ["clients/jones/lease.txt", "clients/smith/lease.txt"]
    documents = [{"id": f"{n:032x}", "name": name, "state": "ready", "version": "v"} for n, name in enumerate(names)]
    page.route("**/api/spaces", lambda route: route.fulfill(json={"spaces": spaces}))
    page.route("**/api/documents?*", lambda route: route.fulfill(json={"documents": documents, "total": 2}))
    page.route("**/api/query", lambda route: route.fulfill(content_type="text/event-stream", body=stream(["950"])))
    page.reload()
    expect(page.locator("#ask-space")).to_have_value("root")
    page.get_by_role("radio", name="Some documents").check()
    page.get_by_label("Find a document or folder").fill("clients/s")
    page.get_by_role("button", name="clients/smith/ (all in this folder)").click()
    expect(page.get_by_role("list", name="Chosen documents")).to_have_text("All in clients/smith/✕")
    visit.photograph("folder")
    with page.expect_request("**/api/query") as sent:
        visit.ask("What is the rent?")
    assert sent.value.post_data_json == {"query": "What is the rent?", "path": "clients/smith"}


def test_marks_stand_behind_what_they_support_in_a_written_answer(visit: Visit) -> None:
    text = "😀 The rent is 950 euros. It is due monthly."
    first = len("😀 The rent is 950 euros.")
    cited = [
        {"start": 0, "end": 5, "quote": "x", "score": 1, "answer_start": start, "answer_end": end}
        for start, end in ((first + 1, len(text)), (0, first), (0, first))
    ]
    body = stream([text], citations=cited)
    visit.page.route("**/api/query", lambda route: route.fulfill(content_type="text/event-stream", body=body))
    visit.page.get_by_role("radio", name="Pasted text").check()
    visit.page.get_by_label("Text to answer from").fill("The rent is 950 euros a month.")
    card = visit.ask("What is the rent?")
    expect(card.locator(".answer-text")).to_have_text("😀 The rent is 950 euros.23 It is due monthly.1")


def test_what_is_written_from_right_to_left_is_shown_so(visit: Visit) -> None:
    lines = "يدفع المستأجر 900 يورو.\nIt is due monthly."
    visit.page.route(
        "**/api/query", lambda route: route.fulfill(content_type="text/event-stream", body=stream([lines]))
    )
    visit.page.get_by_role("radio", name="Pasted text").check()
    visit.page.get_by_label("Text to answer from").fill(lines)
    card = visit.ask("كم؟")
    expect(card.get_by_role("button", name="Copy")).to_be_visible()
    rights = """(text) => [0, text.firstChild.length - 1].map((at) => {
        const range = new Range();
        range.setStart(text.firstChild, at);
        range.setEnd(text.firstChild, at + 1);
        const middle = text.getBoundingClientRect().left + text.clientWidth / 2;
        return range.getBoundingClientRect().left > middle;
    })"""
    assert card.locator(".answer-text").evaluate(rights) == [True, False]
    visit.photograph("right to left")


def test_a_refusal_counts_down_and_goes_on_by_itself(visit: Visit, http: httpx.Client) -> None:
    with full_queue(http):
        visit.page.get_by_text("Options").click()
        visit.page.get_by_label("Style").select_option("write")
        visit.page.get_by_role("radio", name="Pasted text").check()
        visit.page.get_by_label("Text to answer from").fill("The lamp costs 40 euros.")
        card = visit.ask("What does the lamp cost?")
        expect(card).to_contain_text(re.compile(r"The queue is full: going on by itself in \d+ s\."))
        visit.photograph("refused")
    expect(card.get_by_role("button", name="Copy")).to_be_visible()


def test_a_question_that_waits_says_what_is_before_it_and_can_be_stopped(visit: Visit, http: httpx.Client) -> None:
    with full_queue(http, QUEUE_SIZE - 1):
        visit.page.get_by_text("Options").click()
        visit.page.get_by_label("Style").select_option("write")
        visit.page.get_by_role("radio", name="Pasted text").check()
        visit.page.get_by_label("Text to answer from").fill("A goblin has a lamp. " * 200)
        card = visit.ask("Tell all of it.")
        expect(card).to_contain_text("before this one")
        with visit.page.expect_request(lambda request: request.method == "DELETE") as deleted:
            card.get_by_role("button", name="Stop").click()
        expect(card).to_contain_text("Stopped.")
    job = http.get(f"api/jobs/{deleted.value.url.rpartition('/')[2]}").json()
    assert job["code"] == "cancelled"


@contextlib.contextmanager
def full_queue(http: httpx.Client, places: int = QUEUE_SIZE) -> Iterator[None]:
    """So many long answers on their way, which are cancelled at the end of the block."""
    body = {"query": "Tell a long story about a goblin.", "max_tokens": 4000, "temperature": 1.0, "style": "write"}
    sent = [http.post("api/query", json=body, headers={"Prefer": "respond-async"}) for _ in range(places)]
    try:
        assert all(response.status_code == 202 for response in sent)
        yield
    finally:
        for response in sent:
            http.delete(response.headers["location"])


def test_files_come_by_button_and_drop_with_the_reason_of_each_failure(visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    visit.section("Documents")
    files = [tmp_path / "one.txt", tmp_path / "two.txt", tmp_path / "bad.pdf"]
    for file in files:
        file.write_bytes(b"%PDF-1.7" if file.suffix == ".pdf" else f"A text of {file.name}.".encode())
    page.get_by_label("choose files").set_input_files(files)
    uploads = page.get_by_role("region", name="Uploads")
    expect(uploads).to_contain_text("2 ready, 1 failed")
    expect(uploads.locator(".failed")).to_contain_text("PDF")
    dropped = page.evaluate_handle("""() => {
        const moved = new DataTransfer();
        moved.items.add(new File(['Dropped text.'], 'drop.txt'));
        return moved;
    }""")
    page.dispatch_event("#drop", "drop", {"dataTransfer": dropped})
    expect(uploads).to_contain_text("3 ready, 1 failed")
    visit.photograph("uploads")
    uploads.get_by_role("button", name="Clear finished").click()
    expect(uploads).to_be_hidden()
    expect(page.locator("#list")).to_contain_text("drop.txt")


def test_deleting_asks_once_and_says_that_it_is_final(visit: Visit, http: httpx.Client) -> None:
    http.post("api/documents", files={"file": ("gone.txt", b"To be deleted.")}).raise_for_status()
    page = visit.page
    visit.section("Documents")
    page.get_by_label("Find", exact=True).fill("gone")
    button = page.get_by_role("button", name="Delete gone.txt")
    button.click()
    dialog = page.get_by_role("dialog", name="Delete for good?")
    expect(dialog).to_contain_text("be undone.")
    expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()
    visit.photograph("delete")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    button.click()
    dialog.get_by_role("button", name="Delete for good").click()
    expect(page.locator("#list-sum")).to_contain_text("No name begins with “gone”.")


def test_documents_are_found_by_what_they_say(visit: Visit, library: dict[str, str]) -> None:
    visit.section("Documents")
    visit.page.get_by_label("Look in").select_option("text")
    visit.page.get_by_label("Find", exact=True).fill("When is the rent due?")
    expect(visit.page.locator("#list li").first).to_contain_text("Lease.pdf, page 2")


def test_one_question_to_every_document_is_a_table_that_can_be_taken_away(
    visit: Visit, library: dict[str, str], tmp_path: Path
) -> None:
    page = visit.page
    visit.section("Table")
    page.get_by_role("textbox", name="Question").fill("What does it cost?")
    page.get_by_role("button", name="Ask each document").click()
    expect(page.get_by_role("button", name="Ask each document")).to_be_visible()
    visit.photograph("table")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as CSV").click()
    saved.value.save_as(tmp_path / "answers.csv")
    with (tmp_path / "answers.csv").open(encoding="utf-8-sig", newline="") as lines:
        rows = {row["document"]: row for row in csv.DictReader(lines)}
    assert rows[HOSTILE]["answer"].startswith("The lamp costs 40 euros.")
    assert rows["Lease.pdf"]["page"] in ("1", "2", "3")
    assert "broken.pdf" not in rows


def test_a_table_waits_for_a_system_that_does_not_answer(visit: Visit, library: dict[str, str]) -> None:
    page = visit.page
    aborted: list[Route] = []

    def abort_the_first(route: Route) -> None:
        if aborted:
            route.continue_()
        else:
            aborted.append(route)
            route.abort()

    page.route("**/api/query", abort_the_first)
    visit.section("Table")
    page.get_by_label("Only names that begin with").fill("Lease")
    page.get_by_role("textbox", name="Question").fill("What is the rent?")
    page.get_by_role("button", name="Ask each document").click()
    expect(page.locator("#table-sum")).to_contain_text("The system does not answer.")
    expect(page.locator("#table-rows")).to_contain_text("950 euros")
    expect(page.locator("#table-sum")).to_contain_text("1 of 1 documents.")


def test_no_cell_of_the_table_is_a_formula(visit: Visit) -> None:
    cells = ["=1+1", "+1", "-1", "@sum", "a,b", 'say "x"', "two\nlines", None, 0.5]
    made = visit.page.evaluate(
        "async (cells) => { const { cellOf } = await import('./page/table.js'); return cells.map(cellOf); }", cells
    )
    assert made == ["'=1+1", "'+1", "'-1", "'@sum", '"a,b"', '"say ""x"""', '"two\nlines"', "", "0.5"]


def test_a_name_that_is_html_is_a_name_everywhere(visit: Visit, library: dict[str, str]) -> None:
    page = visit.page
    visit.section("Documents")
    expect(page.get_by_role("button", name=HOSTILE, exact=True)).to_be_visible()
    page.get_by_role("button", name=f"Ask about {HOSTILE}").click()
    card = visit.ask("What does the <b>lamp</b> cost?")
    card.locator(".ref").first.click()
    expect(page.get_by_role("heading", name=HOSTILE)).to_be_visible()
    assert page.locator("img").count() == 1
    assert page.locator("main b").count() == 0


def test_the_queue_is_shown_as_it_is_and_what_was_used_by_day(visit: Visit, http: httpx.Client) -> None:
    http.post("api/query", json={"query": "What does it cost?", "context": "It costs 4 euros."}).raise_for_status()
    until(lambda: any(day["answers"] for day in http.get("api/usage").json()["days"]), "the answer is counted", 30)
    visit.section("Queue")
    expect(visit.page.get_by_role("region", name="Your answers by day")).to_contain_text("answer")
    figures = visit.page.locator("#queue-figures")
    with full_queue(http):
        expect(figures).to_contain_text(f"{QUEUE_SIZE} of {QUEUE_SIZE}")
        expect(figures).to_contain_text("2 of 2 at a time")
        expect(visit.page.locator("#pill")).to_contain_text("Queue full")
        visit.photograph("queue")
    expect(figures).to_contain_text(f"0 of {QUEUE_SIZE}")


def test_a_hidden_tab_asks_for_nothing(visit: Visit) -> None:
    page = visit.page
    page.clock.install()
    expect(page.locator("#pill")).to_contain_text("Ready")
    hide = """(hidden) => {
        Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(hide, True)
    page.clock.run_for(1000)
    before = len(visit.requests)
    page.clock.run_for(600_000)
    assert len(visit.requests) == before
    with page.expect_request("**/health"):
        page.evaluate(hide, False)


def test_five_thousand_documents_are_pages_of_fifty(visit: Visit) -> None:
    page = visit.page
    page.route("**/api/documents?*", many_documents)
    visit.section("Documents")
    expect(page.locator("#list-sum")).to_have_text("5,000 documents.")
    for shown in ("51 to 100 of 5,000", "101 to 150 of 5,000"):
        page.get_by_role("button", name="Next").click()
        expect(page.locator("#list-page")).to_have_text(shown)
    page.get_by_role("button", name="Previous").click()
    expect(page.locator("#list-page")).to_have_text("51 to 100 of 5,000")
    assert page.locator("#list li").count() == 50
    visit.photograph("5,000 documents")


def many_documents(route: Route) -> None:
    cursor = re.search(r"cursor=(\d+)", route.request.url)
    first = int(cursor[1]) if cursor else 0
    documents = [
        {
            "id": f"{n:032x}",
            "space": "",
            "name": f"Contract {n:04}.pdf",
            "state": "ready",
            "generation": 1,
            "version": "v",
        }
        for n in range(first, first + 50)
    ]
    body = {"documents": documents, "cursor": str(first + 50), "total": 5000, "pages_without_text": 0, "spaces": []}
    route.fulfill(json=body)


def test_an_answer_of_four_thousand_tokens_is_shown_whole_and_as_text(visit: Visit, library: dict[str, str]) -> None:
    words = [f"**word{n}** <i>\n" for n in range(4000)]
    visit.page.route("**/api/query", lambda route: route.fulfill(content_type="text/event-stream", body=stream(words)))
    card = visit.ask("Tell everything.")
    expect(card.get_by_role("button", name="Copy")).to_be_visible()
    text = card.locator(".answer-text").text_content()
    assert text == "".join(words)
    assert card.locator("i, strong").count() == 0
    assert visit.page.evaluate("() => document.querySelectorAll('*').length") < 400


def stream(words: list[str], **members: Any) -> str:
    pieces = [f"event: token\r\ndata: {json.dumps({'index': n, 'text': word})}\r\n\r\n" for n, word in enumerate(words)]
    answer = {"status": "done", "id": "x", "answer": "".join(words), "model": "m", "finish_reason": "stop", **members}
    return "".join(pieces) + f"event: result\r\ndata: {json.dumps(answer)}\r\n\r\n"


def test_a_page_left_open_does_not_grow(visit: Visit, library: dict[str, str]) -> None:
    """Looks at the queue, questions and passages, over and over; then as much is held as before."""
    page = visit.page
    page.clock.install()
    answer = [f"A line of an answer, number {n}.\n" for n in range(200)]
    page.route("**/api/query", lambda route: route.fulfill(content_type="text/event-stream", body=stream(answer)))
    measure = page.context.new_cdp_session(page)
    measure.send("Performance.enable")
    ask = """() => {
        document.getElementById("ask-question").value = "Again?";
        document.getElementById("ask-form").requestSubmit();
    }"""

    def use(times: int) -> dict[str, float]:
        for _ in range(times):
            # Typed text would stay in the field's own history, which is the browser's to bound.
            page.evaluate(ask)
            expect(page.locator("#answers > .ended").first.get_by_role("button", name="Copy")).to_be_visible()
            page.clock.run_for(60_000)
        measure.send("HeapProfiler.collectGarbage")
        return {one["name"]: one["value"] for one in measure.send("Performance.getMetrics")["metrics"]}

    before, after = use(25), use(60)
    assert page.locator("#answers > *").count() == 20
    assert after["Nodes"] <= before["Nodes"] * 1.1
    assert after["JSEventListeners"] <= before["JSEventListeners"] * 1.1
    assert after["JSHeapUsedSize"] <= before["JSHeapUsedSize"] * 1.3


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_everybody_can_use_it_at_every_width(
    browser: Browser, url: str, library: dict[str, str], scheme: str, size: tuple[int, int]
) -> None:
    viewport: Any = {"width": size[0], "height": size[1]}
    with visiting(browser, url, viewport=viewport, color_scheme=scheme) as visit:
        for section in ("Table", "Queue", "Documents", "Ask"):
            visit.section(section)
            if section == "Documents":
                expect(visit.page.locator("#list li").first).to_be_visible()
            assert not visit.violations(), section
            assert not visit.is_wider_than_the_window(), section
            visit.photograph(f"{section} {scheme} {size[0]}")
        card = visit.ask("How much notice must the tenant give?")
        expect(card.get_by_role("button", name="Copy")).to_be_visible()
        assert not visit.violations()
        visit.photograph(f"answer {scheme} {size[0]}")
        card.locator(".ref").first.click()
        expect(visit.page.locator("#reader-text mark")).to_be_visible()
        assert not visit.violations()
        assert not visit.is_wider_than_the_window()
        # Where it covers the rest, Tab leads nowhere behind it.
        assert visit.page.evaluate("() => document.querySelector('.top').inert") == (size[0] == 360)
        visit.photograph(f"passage {scheme} {size[0]}")


def test_the_keyboard_alone_is_enough(visit: Visit, library: dict[str, str]) -> None:
    page = visit.page
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    tab_to(visit, "ask-question")
    page.keyboard.type("How much notice must the tenant give?")
    page.keyboard.press("Enter")
    mark = page.locator(".ref").first
    expect(mark).to_be_visible()
    for _ in range(20):
        page.keyboard.press("Tab")
        if mark.evaluate("(one) => one === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.locator("#reader-text mark")).to_be_visible()
    page.keyboard.press("Escape")
    expect(mark).to_be_focused()


def tab_to(visit: Visit, name: str) -> None:
    for _ in range(20):
        visit.page.keyboard.press("Tab")
        if visit.page.evaluate("() => document.activeElement.id") == name:
            return
    raise AssertionError(f"no way to {name} by Tab")
