"""PDFs made by reportlab and fpdf2, read by PDFium: order, paragraphs, what is hidden, what repeats."""

import io
from collections.abc import Callable

from fpdf import FPDF
from fpdf.enums import TextMode
from PIL import Image
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate, Paragraph, SimpleDocTemplate, Table

from library.readers import Limits
from tests.integration.library.conftest import Read, Refused

SENTENCE = "The tenant pays the rent on the first working day of each month and keeps the house in good repair. "


def pdf(draw: Callable[[FPDF], object]) -> bytes:
    """One page or more, in Helvetica of 11 points."""
    document = FPDF()
    document.set_font("helvetica", size=11)
    document.add_page()
    draw(document)
    return bytes(document.output())


async def test_lines_of_a_paragraph_are_one_line_and_hyphens_at_their_ends_go(read: Read) -> None:
    def draw(document: FPDF) -> None:
        document.multi_cell(60, 5, "The agree-\nment ends. A well-\nknown rule of COVID-\n19 stays.")

    assert (await read(pdf(draw))).text.strip() == "The agreement ends. A well-known rule of COVID-19 stays."


async def test_a_word_that_is_whole_elsewhere_is_made_whole(read: Read) -> None:
    def draw(document: FPDF) -> None:
        document.multi_cell(60, 5, "The land and the lord and a landlord here.\n\nAnd so the land-\nlord went.")

    assert "so the landlord went" in (await read(pdf(draw))).text


async def test_headings_are_marked_by_the_size_of_their_letters(read: Read) -> None:
    def draw(document: FPDF) -> None:
        for size, text in ((20, "Lease"), (14, "Rent"), (11, SENTENCE * 4), (14, "Repairs"), (11, SENTENCE * 4)):
            document.set_font_size(size)
            document.multi_cell(0, size / 2, text, new_x="LMARGIN", new_y="NEXT")

    reading = await read(pdf(draw))

    headings = [(reading.text[heading.start : heading.end], heading.level) for heading in reading.headings]
    assert headings == [("Lease", 1), ("Rent", 2), ("Repairs", 2)]
    assert reading.title == "Lease"


async def test_columns_are_read_one_after_the_other_also_where_the_file_goes_across(read: Read) -> None:
    def draw(document: FPDF) -> None:
        for line in range(12):
            document.text(20, 30 + 6 * line, f"left line {line} goes on with the words of it")
            document.text(110, 30 + 6 * line, f"right line {line} goes on with its other words")

    text = (await read(pdf(draw))).text

    places = [text.index(f"{side} line {line} ") for side in ("left", "right") for line in range(12)]
    assert places == sorted(places)


async def test_a_flowing_document_of_two_columns_is_read_in_order(read: Read) -> None:
    words = [f"word{number}" for number in range(900)]
    content = io.BytesIO()
    template = PageTemplate(frames=[Frame(40, 40, 240, 760), Frame(310, 40, 240, 760)])
    BaseDocTemplate(content, pagesize=A4, pageTemplates=[template]).build([Paragraph(" ".join(words))])

    assert (await read(content.getvalue())).text.split() == words


async def test_rows_of_a_table_are_lines_with_tabs(read: Read) -> None:
    def draw(document: FPDF) -> None:
        with document.table() as table:
            for cells in (("Item", "Price"), ("Chair", "40"), ("Table", "120"), ("Lamp", "30")):
                row = table.row()
                for cell in cells:
                    row.cell(cell)

    assert (await read(pdf(draw))).text.split("\n")[:4] == ["Item\tPrice", "Chair\t40", "Table\t120", "Lamp\t30"]


async def test_running_heads_and_page_numbers_do_not_stand_in_sentences(read: Read) -> None:
    class Bound(FPDF):
        def header(self) -> None:
            self.set_font("helvetica", size=9)
            self.cell(0, 8, "Lease of the old house", new_x="LMARGIN", new_y="NEXT")
            self.set_font("helvetica", size=11)

        def footer(self) -> None:
            self.set_y(-15)
            self.set_font("helvetica", size=9)
            self.cell(0, 8, f"Page {self.page_no()} of 5", align="C")

    document = Bound()
    document.add_page()
    words = [f"word{number}" for number in range(1800)]
    document.multi_cell(0, 5, " ".join(words))

    reading = await read(bytes(document.output()))

    assert len(reading.pages) > 3
    assert reading.text.split() == ["Lease", "of", "the", "old", "house", *words]
    assert "\n" not in reading.text[reading.text.index("word0") :].strip()


async def test_pages_follow_each_other_without_gaps(read: Read) -> None:
    def draw(document: FPDF) -> None:
        document.cell(text="first page")
        document.add_page()
        document.add_page()
        document.cell(text="third page")

    reading = await read(pdf(draw))

    assert [reading.text[page.start : page.end].strip() for page in reading.pages] == ["first page", "", "third page"]
    assert reading.pages_without_text == (2,)
    assert reading.pages[-1].end == len(reading.text)


async def test_what_nobody_sees_is_marked_and_nothing_else(read: Read) -> None:
    def draw(document: FPDF) -> None:
        document.text(20, 40, "plain words")
        document.set_fill_color(20, 20, 90)
        document.rect(20, 50, 100, 12, style="F")
        document.set_text_color(255)
        document.text(22, 58, "white on blue")
        document.text(20, 90, "white on white")
        document.set_text_color(0)
        document.text(900, 100, "off the page")
        document.set_font_size(0.4)
        document.text(20, 120, "too small")
        document.set_font_size(11)
        document.text_mode = TextMode.INVISIBLE
        document.text(20, 140, "drawn by nobody")

    reading = await read(pdf(draw))

    hidden = {reading.text[span.start : span.end]: span.reason for span in reading.hidden}
    assert hidden == {
        "white on white": "colour",
        "off the page": "off-page",
        "too small": "size",
        "drawn by nobody": "invisible",
    }
    assert "plain words" in reading.text
    assert "white on blue" in reading.text


def scan(layer: str = "", pages: int = 1) -> bytes:
    """Pages of an image, as a scanner makes them, with the invisible text that it may have found."""
    document = FPDF(unit="pt", format=(300, 400))
    document.set_margin(0)
    for _ in range(pages):
        document.add_page()
        document.image(Image.effect_noise((300, 400), 60), 0, 0, 300, 400)
        if layer:
            document.set_font("helvetica", size=11)
            document.text_mode = TextMode.INVISIBLE
            document.text(20, 60, layer)
    return bytes(document.output())


async def test_the_text_layer_of_a_scan_is_its_text(read: Read) -> None:
    reading = await read(scan("what the scanner has read"))

    assert reading.text.strip() == "what the scanner has read"
    assert reading.hidden == ()


async def test_a_scan_without_text_says_what_would_read_it(refused: Refused) -> None:
    failure = await refused(scan(pages=3))

    assert failure.code == "no-text"
    assert "3 pages" in failure.sentence
    assert "tesseract-ocr" in failure.sentence


async def test_an_encrypted_document_says_so(refused: Refused) -> None:
    document = FPDF()
    document.set_encryption("owner", "user")
    document.set_font("helvetica")
    document.add_page()
    document.cell(text="secret")

    assert (await refused(bytes(document.output()))).code == "encrypted"


async def test_a_document_that_only_restricts_printing_is_read(read: Read) -> None:
    document = FPDF()
    document.set_encryption("owner")
    document.set_font("helvetica")
    document.add_page()
    document.cell(text="not to be printed")

    assert (await read(bytes(document.output()))).text.strip() == "not to be printed"


async def test_a_file_that_was_cut_off_is_damaged(refused: Refused) -> None:
    whole = pdf(lambda document: document.multi_cell(0, 5, SENTENCE * 200))

    assert (await refused(whole[:600])).code in ("damaged", "no-text")
    assert (await refused(b"%PDF-1.7\n" + b"\x00" * 1000)).code == "damaged"


async def test_a_hundred_thousand_pages_are_one_sentence(refused: Refused) -> None:
    content = by_hand(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count 100000/Kids[%s]>>" % (b"3 0 R " * 100_000),
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Resources<<>>>>",
    )

    failure = await refused(content)

    assert failure.code == "too-many-pages"
    assert "100,000 pages" in failure.sentence


async def test_more_text_than_the_limit_is_one_sentence(refused: Refused) -> None:
    content = pdf(lambda document: document.multi_cell(0, 5, SENTENCE * 100))

    assert (await refused(content, limits=Limits(text_chars=1000))).code == "too-large"


async def test_a_font_whose_letters_mean_nothing_gives_no_text(refused: Refused) -> None:
    mapping = (
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def"
        b" 1 begincodespacerange <00> <FF> endcodespacerange 1 beginbfrange <20> <7E> <E020> endbfrange"
        b" endcmap CMapName currentdict /CMap defineresource pop end end"
    )
    shown = b"BT /F1 12 Tf 20 100 Td (Letters of one shape and another meaning) Tj ET"
    content = by_hand(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count 1/Kids[3 0 R]>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 200]/Contents 5 0 R/Resources<</Font<</F1 4 0 R>>>>>>",
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 6 0 R>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(shown), shown),
        b"<</Length %d>>stream\n%s\nendstream" % (len(mapping), mapping),
    )

    assert (await refused(content)).code == "no-text"


def by_hand(*objects: bytes) -> bytes:
    """A PDF of these objects, numbered from 1; the first is the catalog."""
    content = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(content)
    content += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    content += b"".join(b"%010d 00000 n \n" % place for place in places)
    content += b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, table)
    return bytes(content)


async def test_what_was_filled_into_a_form_is_read_behind_its_label(read: Read) -> None:
    file = io.BytesIO()
    canvas = Canvas(file)
    for number, (label, value) in enumerate((("Name of the applicant:", "Josephine Baker"), ("Plate:", "KA-RL 1234"))):
        canvas.drawString(60, 700 - 40 * number, label)
        canvas.acroForm.textfield(name=label, value=value, x=220, y=695 - 40 * number, width=200, height=20)
    canvas.drawString(60, 600, "The permit holds for a year.")
    canvas.save()

    text = (await read(file.getvalue())).text

    assert text.split("\n") == [
        "Name of the applicant:\tJosephine Baker",
        "Plate:\tKA-RL 1234",
        "",
        "The permit holds for a year.",
    ]


async def test_a_row_of_a_table_is_one_line_however_many_its_cells_take(read: Read) -> None:
    rows = (
        ("Fault", "Cause", "Remedy"),
        ("No coffee comes out", "Tank empty or not in its place", "Fill the tank and push it in until it clicks"),
        ("Thin coffee", "Grind too coarse", "Turn the dial to a finer grind while the mill is running"),
    )
    style = getSampleStyleSheet()["BodyText"]
    file = io.BytesIO()
    cells = [[Paragraph(cell, style) for cell in row] for row in rows]
    SimpleDocTemplate(file).build([Paragraph(SENTENCE, style), Table(cells, colWidths=(80, 90, 110))])

    lines = (await read(file.getvalue())).text.strip().split("\n")

    assert lines[-3:] == ["\t".join(row) for row in rows]
