"""One import, whatever its reader does: a version, a failure that says why, or the work comes again."""

import asyncio
import io
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.settings import RedactionSettings
from contract.topology import ImportName
from library.imports.importer import MAX_CRASHES, MAX_STARTS, Importer, TryAgainError
from library.imports.pool import Preparation
from library.imports.prepare import Source, prepare, rules_of
from library.readers import Attachment, Page, Reading, ReadingFailed
from library.store.files import Files
from library.store.records import EmbedderNames, Import, Prepared
from library.store.sqlite import SqliteStore
from tests.support.library_side import SPACE, sha256_of

TEXT = "The rent is 1,000 euros.\n\nPay to card 4111 1111 1111 1111.\n\nSecond page."
DOCUMENT = "00000000-0000-8000-8000-000000000001"


class Here(Preparation):
    """Prepares in this process."""

    async def prepare(self, source: Source) -> Prepared:
        return prepare(source, rules_of(RedactionSettings()))


class Desk:
    """An importer over a folder, and work for it."""

    def __init__(self, folder: Path) -> None:
        self.store = SqliteStore(folder)
        self.files = Files(folder)

    def importer(self, read: Callable[..., Awaitable[Reading]], *, keep_originals: bool = True) -> Importer:
        preparation = Here(RedactionSettings())
        return Importer(self.store, self.files, preparation, keep_originals=keep_originals, read=read)

    def work(self, text: str = TEXT, document: str = DOCUMENT) -> tuple[ImportName, Import]:
        placed = self.store.place(document, SPACE, sha256_of(text))
        name = ImportName("http", "local", document, placed.generation)
        self.files.spooled(name).write_text(text)
        return name, Import(
            document=document,
            generation=placed.generation,
            publisher="http",
            client="local",
            space=SPACE,
            name="lease.pdf",
            sha256=sha256_of(text),
            size_bytes=len(text),
        )

    @property
    def status(self) -> Any:
        (status,) = self.store.statuses([DOCUMENT], EmbedderNames())
        return status

    @property
    def originals(self) -> list[str]:
        return [file.name for file in (self.files.spool.parent / "originals").glob("*/*")]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.store.close()


async def read(file: Path, **_: Any) -> Reading:
    text = file.read_text()
    second = text.find("Second")
    return Reading(text=text, media_type="application/pdf", pages=(Page(0, second), Page(second, len(text))))


def failing(code: Any) -> Callable[..., Awaitable[Reading]]:
    async def read(file: Path, **_: Any) -> Reading:
        raise ReadingFailed(code, "It can't be read.")

    return read


async def test_a_file_becomes_a_version_and_leaves_the_spool(desk: Desk) -> None:
    name, work = desk.work()
    await desk.importer(read).run(name, work)
    assert (desk.status.state, desk.status.pages, desk.status.media_type) == ("ready", 2, "application/pdf")
    stretch = desk.store.stretch(DOCUMENT, "", 2, 0, None, 1000)
    assert stretch
    assert stretch.text == "Second page."
    assert not list(desk.files.spool.iterdir())
    assert desk.originals == [work.sha256]


async def test_originals_can_be_switched_off(desk: Desk) -> None:
    name, work = desk.work()
    await desk.importer(read, keep_originals=False).run(name, work)
    assert (desk.status.has_original, desk.originals) == (False, [])


async def test_a_former_versions_original_goes(desk: Desk) -> None:
    for text in (TEXT, "Another text."):
        name, work = desk.work(text)
        await desk.importer(read).run(name, work)
    assert desk.originals == [sha256_of("Another text.")]


async def test_what_is_wrong_with_a_file_is_its_failure_at_once(desk: Desk) -> None:
    name, work = desk.work()
    await desk.importer(failing("encrypted")).run(name, work)
    assert (desk.status.state, desk.status.code, desk.status.detail) == ("failed", "encrypted", "It can't be read.")
    assert not list(desk.files.spool.iterdir())


async def test_a_reader_that_crashes_three_times_is_a_failure(desk: Desk) -> None:
    name, work = desk.work()
    importer = desk.importer(failing("reader-crashed"))
    for _ in range(MAX_CRASHES - 1):
        with pytest.raises(TryAgainError):
            await importer.run(name, work)
        assert desk.status.state == "reading"
    await importer.run(name, work)
    assert (desk.status.state, desk.status.code) == ("failed", "reader-crashed")


async def test_what_ends_the_whole_library_again_and_again_is_a_failure(desk: Desk) -> None:
    name, work = desk.work()
    for _ in range(MAX_STARTS):
        desk.store.begin(work)
    await desk.importer(read).run(name, work)
    assert (desk.status.state, desk.status.code) == ("failed", "attempts-exhausted")


async def test_an_orderly_stop_does_not_count_as_a_start(desk: Desk) -> None:
    name, work = desk.work()

    began = asyncio.Event()

    async def endless(file: Path, **_: Any) -> Reading:
        began.set()
        await asyncio.Event().wait()
        return await read(file)

    for _ in range(MAX_STARTS + 1):
        task = asyncio.create_task(desk.importer(endless).run(name, work))
        await began.wait()
        began.clear()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await desk.importer(read).run(name, work)
    assert desk.status.state == "ready"


@pytest.mark.parametrize("content", [None, "Another content"])
async def test_bytes_that_are_not_those_promised_are_not_read(desk: Desk, content: str | None) -> None:
    name, work = desk.work()
    if content is None:
        desk.files.spooled(name).unlink()
    else:
        desk.files.spooled(name).write_text(content)
    await desk.importer(read).run(name, work)
    assert (desk.status.state, desk.status.code) == ("failed", "damaged")


async def test_attachments_are_documents_of_their_own_and_are_made_once(desk: Desk) -> None:
    async def read_mail(file: Path, **options: Any) -> Reading:
        if options["name"] != "lease.pdf":
            return await read(file)
        attached = Attachment("notes.txt", "text/plain", io.BytesIO(b"Attached words. Second"), 22)
        return Reading(text="A mail.", media_type="message/rfc822", attachments=(attached,))

    name, work = desk.work()
    await desk.importer(read_mail).run(name, work)
    await desk.importer(read_mail).run(name, work)
    listed = desk.store.listed(SPACE, "", ("", ""), 10, EmbedderNames())
    assert [(one.name, one.state, one.parent) for one in listed] == [
        ("lease.pdf", "ready", ""),
        ("lease.pdf/notes.txt", "ready", DOCUMENT),
    ]
    assert desk.store.children_of(DOCUMENT) == [listed[1].id]
    assert not list(desk.files.spool.iterdir())


async def test_what_was_erased_while_it_was_read_leaves_nothing(desk: Desk) -> None:
    async def read_and_erase(file: Path, **_: Any) -> Reading:
        desk.store.add_tombstone(DOCUMENT, "http", "local")
        return await read(file)

    name, work = desk.work()
    await desk.importer(read_and_erase).run(name, work)
    assert desk.store.erasure_state(DOCUMENT) == "erasing"
    assert desk.store.usage().versions == 0
    assert not desk.originals
    assert not list(desk.files.spool.iterdir())


def test_pages_keep_their_labels_and_what_was_read_from_images_is_marked() -> None:
    source = Source(
        name="book.xlsx",
        sha256="0" * 64,
        media_type="",
        title="",
        text="Rent\nCosts",
        pages=((0, 5), (5, 10)),
        labels=("Rent 2024", "card 4111 1111 1111 1111"),
        ocr_pages=frozenset({2}),
    )
    first, second = prepare(source, rules_of(RedactionSettings())).pages
    assert (first.label, first.ocr, second.ocr) == ("Rent 2024", False, True)
    assert "4111" not in second.label
