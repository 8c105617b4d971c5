"""Workbooks, presentations, OpenDocument, RTF and CSV, made by openpyxl, python-pptx and odfpy or by hand."""

import datetime
import io
import zipfile

import openpyxl
import pytest
from odf.draw import Frame as OdfFrame
from odf.draw import Page as OdfPage
from odf.draw import TextBox
from odf.opendocument import OpenDocumentPresentation, OpenDocumentText
from odf.style import MasterPage, PageLayout, Style, TextProperties
from odf.table import Table, TableCell, TableRow
from odf.text import H, List, ListItem, Note, NoteBody, NoteCitation, P, Span
from pptx import Presentation

from library.readers import Limits, Reading
from tests.integration.library.conftest import Read, Refused
from tests.integration.library.test_reading_docx import changed

BOMB_BYTES = 40 * 1024 * 1024
SMALL = Limits(unpacked_bytes=BOMB_BYTES // 2)


def page_texts(reading: Reading) -> list[str]:
    return [reading.text[page.start : page.end].strip() for page in reading.pages]


def hidden_texts(reading: Reading) -> list[str]:
    return [reading.text[span.start : span.end].strip() for span in reading.hidden]


@pytest.fixture(scope="module")
def workbook() -> bytes:
    book = openpyxl.Workbook()
    rents = book.active
    assert rents is not None
    rents.title = "Rents"
    for row in (["Tenant", "Rent", "From"], ["Ann", 1200.0, datetime.date(2026, 5, 1)], [], ["Bob", 900.5, None]):
        rents.append(row)
    numbers = book.create_sheet("Numbers")
    numbers.append([1, 2, 3])
    numbers.append([True, None, 0.1])
    secret = book.create_sheet("Secret")
    secret.append(["nobody", "sees", "this"])
    secret.sheet_state = "hidden"
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


async def test_each_sheet_is_a_page_and_each_row_knows_its_heads(read: Read, workbook: bytes) -> None:
    reading = await read(workbook)

    assert [page.label for page in reading.pages] == ["Rents", "Numbers", "Secret"]
    rents, numbers, _ = page_texts(reading)
    assert rents.split("\n")[2:] == [
        "Tenant\tRent\tFrom",
        "Tenant: Ann; Rent: 1200; From: 2026-05-01",
        "Tenant: Bob; Rent: 900.5",
    ]
    assert numbers.split("\n")[2:] == ["1\t2\t3", "TRUE\t\t0.1"]
    assert hidden_texts(reading) == ["nobody\tsees\tthis"]


async def test_a_workbook_that_unpacks_without_end_is_one_sentence(refused: Refused, workbook: bytes) -> None:
    bomb = changed(workbook, "xl/worksheets/sheet1.xml", lambda part: part + b" " * BOMB_BYTES)

    assert (await refused(bomb, limits=SMALL)).code == "too-large"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
async def test_rows_of_a_table_know_their_heads(read: Read, delimiter: str) -> None:
    rows = [["Name", "Age", "City"], ["Ann", "33", '"Rome\n(Italy)"'], ["Bob", "44", ""]]
    content = "\r\n".join(delimiter.join(row) for row in rows).encode()

    reading = await read(content, "people.csv")

    assert reading.media_type == "text/csv"
    assert reading.text.split("\n")[1:3] == ["Name: Ann; Age: 33; City: Rome (Italy)", "Name: Bob; Age: 44"]


async def test_a_table_is_recognised_without_a_name(read: Read) -> None:
    assert (await read(b"a,b,c\n1,2,3\n4,5,6\n7,8,9\n")).media_type == "text/csv"


@pytest.fixture(scope="module")
def slides() -> bytes:
    deck = Presentation()
    first = deck.slides.add_slide(deck.slide_layouts[1])
    first.shapes.title.text = "Plans"
    first.placeholders[1].text = "One thing\nAnother thing"
    first.notes_slide.notes_text_frame.text = "Say hello first"
    second = deck.slides.add_slide(deck.slide_layouts[5])
    second.shapes.title.text = "Prices"
    table = second.shapes.add_table(2, 2, 0, 0, 100, 100).table
    for number, text in enumerate(("Item", "Price", "Chair", "40")):
        table.cell(number // 2, number % 2).text = text
    third = deck.slides.add_slide(deck.slide_layouts[5])
    third.shapes.title.text = "Not shown"
    third._element.set("show", "0")
    content = io.BytesIO()
    deck.save(content)
    return content.getvalue()


async def test_each_slide_is_a_page_with_its_title_tables_and_notes(read: Read, slides: bytes) -> None:
    reading = await read(slides)

    assert page_texts(reading) == [
        "Plans\n\nOne thing\nAnother thing\n\nSay hello first",
        "Prices\n\nItem\tPrice\nChair\t40",
        "Not shown",
    ]
    titles = [reading.text[heading.start : heading.end] for heading in reading.headings]
    assert titles == ["Plans", "Prices", "Not shown"]
    assert hidden_texts(reading) == ["Not shown"]


async def test_slides_with_xml_entities_are_refused(refused: Refused, slides: bytes) -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    armed = changed(slides, "ppt/slides/slide1.xml", lambda part: part.replace(b"?>", b"?>" + bomb, 1))

    assert (await refused(armed)).code == "unsafe"


def open_text() -> bytes:
    document = OpenDocumentText()
    style = Style(name="unseen", family="text")
    style.addElement(TextProperties(display="none"))
    document.automaticstyles.addElement(style)
    document.text.addElement(H(outlinelevel=1, text="Lease"))
    paragraph = P(text="Seen ")
    paragraph.addElement(Span(stylename=style, text="not displayed"))
    paragraph.addText(" and seen")
    note = Note(noteclass="footnote")
    note.addElement(NoteCitation(text="1"))
    body = NoteBody()
    body.addElement(P(text="A footnote."))
    note.addElement(body)
    paragraph.addElement(note)
    paragraph.addText(" again.")
    document.text.addElement(paragraph)
    items = List()
    for text in ("one", "two"):
        item = ListItem()
        item.addElement(P(text=text))
        items.addElement(item)
    document.text.addElement(items)
    table = Table()
    for cells in (("Item", "Price"), ("Chair", "40")):
        row = TableRow()
        for text in cells:
            cell = TableCell()
            cell.addElement(P(text=text))
            row.addElement(cell)
        table.addElement(row)
    document.text.addElement(table)
    document.text.addElement(P(text="End."))
    content = io.BytesIO()
    document.write(content)
    return content.getvalue()


async def test_an_open_document_is_read_in_order_with_notes_at_its_end(read: Read) -> None:
    reading = await read(open_text())

    assert [line for line in reading.text.split("\n") if line] == [
        "Lease",
        "Seen not displayed and seen again.",
        "- one",
        "- two",
        "Item\tPrice",
        "Chair\t40",
        "End.",
        "A footnote.",
    ]
    assert hidden_texts(reading) == ["not displayed"]
    assert reading.title == "Lease"


async def test_an_encrypted_open_document_says_so(refused: Refused) -> None:
    locked = changed(
        open_text(), "META-INF/manifest.xml", lambda part: part.replace(b"</manifest", b"<encryption-data/></manifest")
    )

    assert (await refused(locked)).code == "encrypted"


async def test_slides_of_an_open_presentation_are_pages(read: Read) -> None:
    deck = OpenDocumentPresentation()
    layout = PageLayout(name="layout")
    deck.automaticstyles.addElement(layout)
    master = MasterPage(name="master", pagelayoutname=layout)
    deck.masterstyles.addElement(master)
    for text in ("First slide.", "Second slide."):
        page = OdfPage(masterpagename=master)
        frame, box = OdfFrame(), TextBox()
        box.addElement(P(text=text))
        frame.addElement(box)
        page.addElement(frame)
        deck.presentation.addElement(page)
    content = io.BytesIO()
    deck.write(content)

    assert page_texts(await read(content.getvalue())) == ["First slide.", "Second slide."]


RTF = rb"""{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fswiss Helvetica;}{\f1\fnil\fcharset204 Arial Cyr;}}
{\*\generator Nobody;}{\header Running head}{\pict\bin4 }}}}}\pard\outlinelevel0 Lease\par
\pard The rent is \'a3 10 \u8211? due,{\v  not displayed} in \f1\'d0\'f3\'e1\f0  too.\par
\trowd\intbl Item\cell Price\cell\row\trowd\intbl Chair\cell 40\cell\row\pard Last \u-10179?\u-8704?.\par}"""


async def test_rtf_is_read_with_its_fonts_encodings_and_hidden_text(read: Read) -> None:
    reading = await read(RTF)

    assert [line for line in reading.text.split("\n") if line] == [
        "Lease",
        "The rent is £ 10 \u2013 due, not displayed in \u0420\u0443\u0431 too.",
        "Item\tPrice",
        "Chair\t40",
        "Last \U0001f600.",
    ]
    assert hidden_texts(reading) == ["not displayed"]
    assert [reading.text[heading.start : heading.end] for heading in reading.headings] == ["Lease"]


async def test_rtf_that_nests_without_end_is_one_sentence(refused: Refused) -> None:
    assert (await refused(b"{\\rtf1 " + b"{" * 100_000)).code == "too-deep"


async def test_an_archive_of_a_hundred_thousand_parts_is_one_sentence(refused: Refused) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("[Content_Types].xml", "")
        archive.writestr("word/document.xml", "")
        for number in range(25_000):
            archive.writestr(f"word/{number}", "")

    assert (await refused(content.getvalue())).code == "too-large"
