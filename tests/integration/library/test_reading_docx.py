"""DOCX files made by python-docx, and broken ones made by hand, read by mammoth."""

import copy
import io
import zipfile
from collections.abc import Callable

import docx
import pytest
from docx.shared import Pt, RGBColor

from library.readers import Limits
from tests.integration.library.conftest import Read, Refused

BOMB_BYTES = 40 * 1024 * 1024
SMALL = Limits(unpacked_bytes=BOMB_BYTES // 2)


def written(write: Callable[..., None]) -> bytes:
    """A document with what `write` puts into it."""
    document = docx.Document()
    write(document)
    content = io.BytesIO()
    document.save(content)
    return content.getvalue()


def changed(content: bytes, name: str, part: Callable[[bytes], bytes]) -> bytes:
    """The same file with one of its parts replaced."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as after:
        for info in before.infolist():
            data = before.read(info)
            after.writestr(info.filename, part(data) if info.filename == name else data)
    return result.getvalue()


@pytest.fixture(scope="module")
def simple() -> bytes:
    return written(lambda document: document.add_paragraph("The rent is due."))


async def test_headings_lists_and_tables_come_in_reading_order(read: Read) -> None:
    def write(document: docx.document.Document) -> None:
        document.add_heading("Lease", 0)
        document.add_heading("Rent", 1)
        document.add_paragraph("Before the table.")
        table = document.add_table(2, 2)
        for cell, text in zip(table._cells, ("Item", "Price", "Chair", "40"), strict=True):
            cell.text = text
        document.add_paragraph("After it.")
        document.add_paragraph("bullet", style="List Bullet")
        document.add_paragraph("number", style="List Number")

    reading = await read(written(write))

    lines = [line for line in reading.text.split("\n") if line]
    expected = ["Lease", "Rent", "Before the table.", "Item\tPrice", "Chair\t40", "After it.", "- bullet", "1. number"]
    assert lines == expected
    headings = [(reading.text[heading.start : heading.end], heading.level) for heading in reading.headings]
    assert headings == [("Lease", 1), ("Rent", 1)]
    assert reading.title == "Lease"


async def test_what_word_does_not_show_is_hidden(read: Read) -> None:
    def write(document: docx.document.Document) -> None:
        paragraph = document.add_paragraph("seen ")
        paragraph.add_run("vanished").font.hidden = True
        paragraph.add_run(" seen too ")
        paragraph.add_run("white").font.color.rgb = RGBColor(255, 255, 255)
        paragraph.add_run(" and ")
        paragraph.add_run("tiny").font.size = Pt(1)
        paragraph.add_run(" end")

    reading = await read(written(write))

    assert reading.text.strip() == "seen vanished seen too white and tiny end"
    assert [reading.text[span.start : span.end] for span in reading.hidden] == ["vanished", "white", "tiny"]


async def test_nothing_that_is_linked_is_opened(read: Read, simple: bytes) -> None:
    secret = (
        b'<Relationship Id="rId99" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/image"'
    )
    secret += b' Target="file:///etc/passwd" TargetMode="External"/></Relationships>'
    linked = changed(simple, "word/_rels/document.xml.rels", lambda part: part.replace(b"</Relationships>", secret))

    assert (await read(linked)).text.strip() == "The rent is due."


async def test_xml_entities_are_refused(refused: Refused, simple: bytes) -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    armed = changed(simple, "word/document.xml", lambda part: part.replace(b"?>", b"?>" + bomb, 1))

    assert (await refused(armed)).code == "unsafe"


async def test_an_archive_that_unpacks_without_end_is_one_sentence(refused: Refused, simple: bytes) -> None:
    bomb = changed(simple, "word/document.xml", lambda part: part + b" " * BOMB_BYTES)

    assert len(bomb) < BOMB_BYTES / 100
    failure = await refused(bomb, limits=SMALL)

    assert failure.code == "too-large"
    assert "MiB" in failure.sentence


async def test_an_archive_that_lies_about_its_size_is_one_sentence(refused: Refused, simple: bytes) -> None:
    bomb = bytearray(changed(simple, "word/document.xml", lambda part: part + b" " * BOMB_BYTES))
    with zipfile.ZipFile(io.BytesIO(bomb)) as archive:
        size = archive.getinfo("word/document.xml").file_size.to_bytes(4, "little")
    assert bomb.count(size) == 2
    honest = bytes(bomb).replace(size, (1000).to_bytes(4, "little"))

    assert (await refused(honest, limits=SMALL)).code in ("damaged", "too-large")


async def test_elements_that_nest_without_end_are_one_sentence(refused: Refused, simple: bytes) -> None:
    deep = b"<w:p>" * 100_000 + b"</w:p>" * 100_000
    nested = changed(simple, "word/document.xml", lambda part: part.replace(b"<w:body>", b"<w:body>" + deep))

    assert (await refused(nested)).code == "too-deep"


async def test_elements_at_the_permitted_depth_are_read(read: Read, simple: bytes) -> None:
    depth = 150
    deep = b"<w:sdt><w:sdtContent>" * depth + b"<w:p><w:r><w:t>deep</w:t></w:r></w:p>"
    deep += b"</w:sdtContent></w:sdt>" * depth
    nested = changed(simple, "word/document.xml", lambda part: part.replace(b"<w:body>", b"<w:body>" + deep))

    assert "deep" in (await read(nested)).text


async def test_a_file_that_was_cut_off_is_damaged(refused: Refused, simple: bytes) -> None:
    assert (await refused(simple[: len(simple) // 2])).code == "damaged"


async def test_a_part_that_is_damaged_is_one_sentence(refused: Refused, simple: bytes) -> None:
    broken = changed(simple, "word/document.xml", lambda part: part[: len(part) // 2])

    assert (await refused(broken)).code == "damaged"


async def test_other_archives_are_not_opened(refused: Refused) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("../../etc/passwd", "x")

    assert (await refused(content.getvalue())).code == "unsupported"


async def test_memory_past_the_limit_is_one_sentence(refused: Refused) -> None:
    failure = await refused(b"word " * 8_000_000, limits=Limits(memory_bytes=110 * 1024 * 1024))

    assert failure.code == "too-much-memory"
    assert "110 MiB" in failure.sentence
    assert failure.may_pass


async def test_processor_time_past_the_limit_is_one_sentence(refused: Refused) -> None:
    def write(document: docx.document.Document) -> None:
        paragraph = document.add_paragraph("one of very many paragraphs")
        for _ in range(60_000):
            paragraph._p.addnext(copy.deepcopy(paragraph._p))

    assert (await refused(written(write), limits=Limits(cpu_s=1))).code == "took-too-long"


async def test_time_past_the_limit_is_one_sentence(refused: Refused, simple: bytes) -> None:
    assert (await refused(simple, limits=Limits(wall_s=0.01))).code == "took-too-long"
