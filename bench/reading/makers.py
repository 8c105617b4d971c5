"""Invented documents as files, each by another library than the one that reads it."""

import csv
import html
import io
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import docx
import openpyxl
from fpdf import FPDF
from matplotlib import get_data_path
from odf import table as odf_table
from odf import text as odf_text
from odf.opendocument import OpenDocumentText
from pptx import Presentation
from pptx.util import Pt
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, PageTemplate, Spacer, TableStyle
from reportlab.platypus import Paragraph as Flowing
from reportlab.platypus import Table as Grid

from bench.reading.corpus import Block, Document, Heading, Items, Paragraph, Table

# A font with Latin and Cyrillic letters that a package of ours brings.
_FONTS = Path(get_data_path(), "fonts", "ttf")
_PARAGRAPHS_PER_SLIDE = 2


class _Bound(FPDF):
    """Pages with a running head and a number."""

    def header(self) -> None:
        self.set_font("dejavu", size=8)
        self.cell(0, 6, "A running head on every page", new_x="LMARGIN", new_y="NEXT")
        self.ln(4)

    def footer(self) -> None:
        self.set_y(-15)
        self.set_font("dejavu", size=8)
        self.cell(0, 6, f"- {self.page_no()} -", align="C")


def pdf(document: Document) -> bytes:
    """One column, justified, with running heads and page numbers."""
    file = _Bound()
    file.add_font("dejavu", fname=_FONTS / "DejaVuSans.ttf")
    file.add_font("dejavu", style="B", fname=_FONTS / "DejaVuSans-Bold.ttf")
    file.add_page()
    for block in document.blocks:
        _add_to_pdf(block, file)
    return bytes(file.output())


def _add_to_pdf(block: Block, file: FPDF) -> None:
    match block:
        case Heading(text, level):
            file.ln(4)
            file.set_font("dejavu", size=18 - 3 * level)
            file.multi_cell(0, 8, text, new_x="LMARGIN", new_y="NEXT")
        case Paragraph(text):
            file.set_font("dejavu", size=10)
            file.multi_cell(0, 5, text, new_x="LMARGIN", new_y="NEXT")
            file.ln(3)
        case Items(texts):
            file.set_font("dejavu", size=10)
            for text in texts:
                file.multi_cell(0, 5, f"\u2022 {text}", new_x="LMARGIN", new_y="NEXT")
            file.ln(3)
        case Table(rows):
            file.set_font("dejavu", size=9)
            with file.table() as grid:
                for cells in rows:
                    row = grid.row()
                    for cell in cells:
                        row.cell(cell)
            file.ln(3)


def pdf_of_two_columns(document: Document) -> bytes:
    """Two columns on each page, with a number."""
    styles = getSampleStyleSheet()
    flow: list[Flowable] = []
    for block in document.blocks:
        match block:
            case Heading(text, level):
                flow.append(Flowing(text, styles[f"Heading{level}"]))
            case Paragraph(text):
                flow.append(Flowing(text, styles["BodyText"]))
            case Items(texts):
                flow += [Flowing(f"\u2022 {text}", styles["BodyText"]) for text in texts]
            case Table(rows):
                grid = Grid([list(row) for row in rows])
                grid.setStyle(TableStyle([("GRID", (0, 0), (-1, -1), 0.5, colors.grey)]))
                flow += [grid, Spacer(1, 8)]
    content = io.BytesIO()
    width = A4[0] / 2 - 55
    frames = [Frame(45, 50, width, A4[1] - 100, id="left"), Frame(A4[0] / 2 + 10, 50, width, A4[1] - 100, id="right")]

    def number(canvas: object, template: BaseDocTemplate) -> None:
        template.canv.drawCentredString(A4[0] / 2, 25, str(template.page))

    BaseDocTemplate(content, pagesize=A4, pageTemplates=[PageTemplate(frames=frames, onPage=number)]).build(flow)
    return content.getvalue()


def docx_file(document: Document) -> bytes:
    """Word's format, by python-docx."""
    file = docx.Document()
    for block in document.blocks:
        match block:
            case Heading(text, level):
                file.add_heading(text, level)
            case Paragraph(text):
                file.add_paragraph(text)
            case Items(texts):
                for text in texts:
                    file.add_paragraph(text, style="List Bullet")
            case Table(rows):
                grid = file.add_table(len(rows), len(rows[0]))
                for cell, text in zip(grid._cells, (text for row in rows for text in row), strict=True):
                    cell.text = text
    return _saved(file.save)


def odt(document: Document) -> bytes:
    """OpenDocument text, by odfpy."""
    file = OpenDocumentText()
    for block in document.blocks:
        match block:
            case Heading(text, level):
                file.text.addElement(odf_text.H(outlinelevel=level, text=text))
            case Paragraph(text):
                file.text.addElement(odf_text.P(text=text))
            case Items(texts):
                file.text.addElement(_nested(odf_text.List(), [_nested(odf_text.ListItem(), [_p(t)]) for t in texts]))
            case Table(rows):
                cells = ([_nested(odf_table.TableCell(), [_p(text)]) for text in row] for row in rows)
                file.text.addElement(_nested(odf_table.Table(), [_nested(odf_table.TableRow(), row) for row in cells]))
    return _saved(file.write)


def _p(text: str) -> object:
    return odf_text.P(text=text)


def _nested(element: object, children: list[object]) -> object:
    for child in children:
        element.addElement(child)  # type: ignore[attr-defined] # odfpy is not typed
    return element


def pptx(document: Document) -> bytes:
    """Slides, by python-pptx; a slide for a few blocks."""
    file = Presentation()
    for start in range(0, len(document.blocks), _PARAGRAPHS_PER_SLIDE):
        slide = file.slides.add_slide(file.slide_layouts[6])
        frame = slide.shapes.add_textbox(0, 0, Pt(600), Pt(400)).text_frame
        for block in document.blocks[start : start + _PARAGRAPHS_PER_SLIDE]:
            for line in _lines(block):
                frame.add_paragraph().text = line
    return _saved(file.save)


def html_page(document: Document) -> bytes:
    """A page with a style, a script and a comment, which are not text."""
    parts = ["<!doctype html><html><head><meta charset=utf-8><style>p{color:#333}</style></head><body><!-- none -->"]
    for block in document.blocks:
        match block:
            case Heading(text, level):
                parts.append(f"<h{level}>{html.escape(text)}</h{level}>")
            case Paragraph(text):
                parts.append(f"<p>{html.escape(text)}</p>")
            case Items(texts):
                parts.append("<ul>" + "".join(f"<li>{html.escape(text)}</li>" for text in texts) + "</ul>")
            case Table(rows):
                cells = ("".join(f"<td>{cell}</td>" for cell in row) for row in rows)
                parts.append("<table>" + "".join(f"<tr>{row}</tr>" for row in cells) + "</table>")
    return "\n".join([*parts, "<script>no()</script></body></html>"]).encode()


def markdown(document: Document) -> bytes:
    """The usual signs."""
    parts: list[str] = []
    for block in document.blocks:
        match block:
            case Heading(text, level):
                parts.append(f"{'#' * level} {text}")
            case Items(texts):
                parts.append("\n".join(f"- {text}" for text in texts))
            case _:
                parts.append("\n".join(_lines(block)))
    return "\n\n".join(parts).encode()


def latin_text(document: Document) -> bytes:
    """Plain text in an encoding that it does not say."""
    return "\n\n".join("\n".join(_lines(block)) for block in document.blocks).encode("cp1252")


def rtf(document: Document) -> bytes:
    """By hand: each letter beyond ASCII as its number."""
    lines = (line for block in document.blocks for line in _lines(block))
    escaped = ("".join(c if c.isascii() else f"\\u{ord(c)}?" for c in line) for line in lines)
    return (
        "{\\rtf1\\ansi\\deff0{\\fonttbl{\\f0 Times;}}\n" + "".join(f"\\pard {line}\\par\n" for line in escaped) + "}"
    ).encode()


def eml(document: Document) -> bytes:
    """A message with the text as its body."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.org", "b@example.org", "c"
    message.set_content("\n\n".join("\n".join(_lines(block)) for block in document.blocks))
    return message.as_bytes()


def xlsx(document: Document) -> bytes:
    """A sheet of one column: heads would be said again with each value."""
    book = openpyxl.Workbook()
    sheet = book.active
    for block in document.blocks:
        for line in _lines(block):
            sheet.append([line])
    return _saved(book.save)


def csv_file(document: Document) -> bytes:
    """Lines as rows of one column beside an empty one."""
    content = io.StringIO()
    csv.writer(content).writerows([line, ""] for block in document.blocks for line in _lines(block))
    return content.getvalue().encode()


def _lines(block: Block) -> list[str]:
    match block:
        case Heading(text) | Paragraph(text):
            return [text]
        case Items(texts):
            return list(texts)
        case Table(rows):
            return ["\t".join(row) for row in rows]


def _saved(save: Callable[[io.BytesIO], object]) -> bytes:
    content = io.BytesIO()
    save(content)
    return content.getvalue()


MAKERS: dict[str, tuple[str, Callable[[Document], bytes]]] = {
    "pdf": ("pdf", pdf),
    "pdf, two columns": ("pdf", pdf_of_two_columns),
    "docx": ("docx", docx_file),
    "odt": ("odt", odt),
    "pptx": ("pptx", pptx),
    "xlsx": ("xlsx", xlsx),
    "html": ("html", html_page),
    "markdown": ("md", markdown),
    "text, cp1252": ("txt", latin_text),
    "rtf": ("rtf", rtf),
    "eml": ("eml", eml),
    "csv": ("csv", csv_file),
}
"""Name of a form: the ending of its files, and what makes one."""
