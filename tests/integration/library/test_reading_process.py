"""A reader's process from outside: it ends whatever happens, and a program of the system is used where it is there."""

import asyncio
import base64
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from fpdf import FPDF

from library.readers import Limits, Programs, Progress, ReadingFailed, installed, read_file
from tests.integration.library.compound_file import compound_file
from tests.integration.library.conftest import Read
from tests.integration.library.test_reading_docx import written as written_by_word
from tests.integration.library.test_reading_pdf import SENTENCE, pdf, scan

TABLE_HEAD = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext"
# Two lines of a page of 300 by 400 points at 300 dots an inch; the last word is a speck.
WORDS = """5\t1\t1\t1\t1\t1\t100\t100\t300\t40\t96.1\tThe
5\t1\t1\t1\t1\t2\t420\t100\t700\t40\t95.0\tagree-
5\t1\t1\t1\t2\t1\t100\t160\t400\t40\t91.4\tment
5\t1\t1\t1\t2\t2\t520\t160\t300\t40\t88.0\tends.
5\t1\t2\t1\t1\t1\t900\t900\t9\t9\t3.0\t|"""


@pytest.fixture
def tesseract() -> Iterator[Path]:
    """A fake OCR program that reads the same words from every picture; all users may start it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield stand_in(folder)


def stand_in(folder: Path) -> Path:
    """The program, as a shell script."""
    program = folder / "tesseract"
    table = f"{TABLE_HEAD}\n{WORDS}"
    program.write_text(
        "#!/bin/sh\n"
        "[ \"$1\" = --list-langs ] && printf 'List:\\neng\\nosd\\n' && exit\n"
        'read -r kind && [ "$kind" = "P5 1250 1667 255" ] && [ "$6" = eng ] && cat > /dev/null\n'
        f'cat <<"END"\n{table}\nEND\n'
    )
    program.chmod(0o755)
    return program


def children(before: set[int]) -> list[psutil.Process]:
    """Of this test's own making: other tests' systems, which are shared, run below the same process."""
    return [child for child in psutil.Process().children(recursive=True) if child.pid not in before]


@pytest.fixture
def before() -> set[int]:
    """Processes of other tests."""
    return {child.pid for child in psutil.Process().children(recursive=True)}


async def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "document"
    path.write_bytes(content)
    return path


async def test_pages_without_text_are_read_by_tesseract_where_it_is(tmp_path: Path, tesseract: Path) -> None:
    path = await written(tmp_path, scan())

    reading = await read_file(path, programs=Programs(tesseract=tesseract))

    assert reading.text.strip() == "The agreement ends."
    assert [page.ocr for page in reading.pages] == [True]
    assert reading.pages_without_text == ()


async def test_pages_with_text_stay_as_they_are_beside_recognised_ones(tmp_path: Path, tesseract: Path) -> None:
    def draw(document: FPDF) -> None:
        document.cell(text="typed")
        document.add_page(format=(105.83, 141.11))
        document.rect(10, 10, 30, 30)

    reading = await read_file(await written(tmp_path, pdf(draw)), programs=Programs(tesseract=tesseract))

    assert [page.ocr for page in reading.pages] == [False, True]
    assert reading.text.split()[0] == "typed"


async def test_a_recognition_that_fails_loses_no_text(tmp_path: Path, tesseract: Path) -> None:
    tesseract.write_text("#!/bin/sh\nexit 1\n")

    def draw(document: FPDF) -> None:
        document.cell(text="typed")
        document.add_page()
        document.rect(10, 10, 30, 30)

    reading = await read_file(await written(tmp_path, pdf(draw)), programs=Programs(tesseract=tesseract))

    assert reading.text.strip() == "typed"
    assert reading.pages_without_text == (2,)


async def test_an_old_word_document_is_read_through_libreoffice_where_it_is(tmp_path: Path) -> None:
    made = base64.encodebytes(written_by_word(lambda document: document.add_paragraph("The rent is due."))).decode()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        soffice = folder / "soffice"
        soffice.write_text(f"#!/bin/sh\n[ -e /tmp/document.doc ] && base64 -d > /tmp/document.docx <<END\n{made}END\n")
        soffice.chmod(0o755)
        path = await written(tmp_path, compound_file({"WordDocument": bytes(64)}))

        reading = await read_file(path, programs=Programs(soffice=soffice))

    assert reading.text.strip() == "The rent is due."
    assert reading.media_type == "application/msword"


async def test_a_document_that_libreoffice_can_not_read_is_damaged(tmp_path: Path) -> None:
    path = await written(tmp_path, compound_file({"WordDocument": bytes(64)}))

    with pytest.raises(ReadingFailed) as failure:
        await read_file(path, programs=Programs(soffice=Path("/bin/false")))

    assert failure.value.code == "damaged"


def test_programs_are_left_alone_where_they_are_not_wanted() -> None:
    assert installed("off").tesseract is None


async def test_progress_comes_while_pages_are_read(tmp_path: Path) -> None:
    def draw(document: FPDF) -> None:
        for _ in range(24):
            document.add_page()
            document.cell(text="page")

    seen: list[Progress] = []
    await read_file(await written(tmp_path, pdf(draw)), on_progress=seen.append)

    assert [step.pages_read for step in seen] == [10, 20, 25]
    assert {step.pages for step in seen} == {25}


async def test_a_file_is_read_by_its_descriptor_without_moving_in_it(tmp_path: Path) -> None:
    path = await written(tmp_path, b"some words")
    descriptor = os.open(path, os.O_RDONLY)
    try:
        assert (await read_file(descriptor)).text == "some words"
        assert (await read_file(descriptor)).text == "some words"
    finally:
        os.close(descriptor)


async def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(await written(tmp_path, b"words"))

    with pytest.raises(OSError, match="symbolic"):
        await read_file(tmp_path / "link")


async def test_cancelled_reading_leaves_no_process(tmp_path: Path, before: set[int]) -> None:
    path = await written(tmp_path, pdf(lambda document: document.multi_cell(0, 5, SENTENCE * 3000)))
    reading = asyncio.create_task(read_file(path))
    while not children(before):
        await asyncio.sleep(0.01)

    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading

    assert children(before) == []


async def test_a_process_that_can_not_even_start_is_a_failure_that_may_pass(tmp_path: Path) -> None:
    with pytest.raises(ReadingFailed) as failure:
        await read_file(await written(tmp_path, b"words"), limits=Limits(memory_bytes=1024 * 1024))

    assert failure.value.code == "reader-crashed"
    assert failure.value.may_pass


async def test_a_process_that_is_killed_is_a_failure_that_may_pass(tmp_path: Path, before: set[int]) -> None:
    path = await written(tmp_path, pdf(lambda document: document.multi_cell(0, 5, SENTENCE * 3000)))
    reading = asyncio.create_task(read_file(path))
    while not children(before):
        await asyncio.sleep(0.01)
    children(before)[0].kill()

    with pytest.raises(ReadingFailed) as failure:
        await reading

    assert failure.value.code == "reader-crashed"
    assert "signal 9" in failure.value.sentence


async def test_the_barriers_that_held_are_named(read: Read) -> None:
    reading = await read(b"words")

    assert {"no-new-files", "seccomp"} <= set(reading.sandbox)
