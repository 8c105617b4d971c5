"""Takes the pieces of lines off a page, with their places; the only module that asks PDFium about text.

PDFium's text of a page is cut at its own line ends; places are asked for at the ends of words only, since a call
for each character would take longer than all else together.
"""

import ctypes
import math
import re
from functools import partial
from typing import Any

import msgspec
import pypdfium2.raw as pdfium

from library.readers.pdf.fragment import Fragment, Sheet
from library.readers.pdf.order import on_one_line
from library.readers.pdf.right_to_left import Box, Word, in_reading_order, reads_right_to_left, with_ligatures_mended
from library.readers.pdf.visibility import Visibility

_WORD = re.compile(r"[^\s\ufffe]+")
_LINE = re.compile(r"[^\r\n\ufffe]+(\ufffe?)")
_GAP_EM = 1.5  # wider than the space between words, also in justified lines
_SAME_LINE = 0.3  # of the letters' size, between what lines of one height stand on
_NAME_BYTES = 128
_UNREADABLE = re.compile(r"[\ue000-\uf8ff\ufffd\x00-\x08\x0e-\x1f]")
_UNREADABLE_SHARE = 0.3
_OF_HYPHEN = "\ufffe"


class _Line(msgspec.Struct):
    words: list[Word]
    size: float
    is_bold: bool
    baseline: float
    is_rtl: bool
    is_hyphenated: bool


class PageText:
    """One page's text while it is open."""

    def __init__(self, page: Any) -> None:
        self._page = page
        self._text_page = pdfium.FPDFText_LoadPage(page)
        self._rectangle = pdfium.FS_RECTF()
        self._matrix = pdfium.FS_MATRIX()
        self._name = ctypes.create_string_buffer(_NAME_BYTES)
        self._flags = ctypes.c_int()
        self._x, self._y = ctypes.c_double(), ctypes.c_double()

    def close(self) -> None:
        """Free PDFium's part."""
        pdfium.FPDFText_ClosePage(self._text_page)

    def sheet(self) -> Sheet:
        """The page's fragments."""
        width, height = pdfium.FPDF_GetPageWidthF(self._page), pdfium.FPDF_GetPageHeightF(self._page)
        text = self._text()
        visibility = Visibility(self._page, self._text_page)
        fragments: list[Fragment] = []
        for line in self._lines(text):
            row = fragments[-1].row + 1 if fragments else 0
            fragments += self._fragments(line, row, visibility)
        visibility.settle()
        unreadable = len(_UNREADABLE.findall(text))
        return Sheet(on_one_line(fragments), width, height, unreadable > len(text) * _UNREADABLE_SHARE)

    def _text(self) -> str:
        """One code point for each of PDFium's characters: its own text may leave some out."""
        count = pdfium.FPDFText_CountChars(self._text_page)
        if count <= 0:
            return ""
        buffer = ctypes.create_string_buffer((count + 1) * 2)
        written = pdfium.FPDFText_GetText(
            self._text_page, 0, count, ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort))
        )
        text = buffer.raw[: max(written - 1, 0) * 2].decode("utf-16-le", "surrogatepass")
        if len(text) == count:
            return text
        one = pdfium.FPDFText_GetUnicode
        codes = (one(self._text_page, index) for index in range(count))
        return "".join(_OF_HYPHEN if code == 2 else chr(code) if code < 0x110000 else "\ufffd" for code in codes)

    def _lines(self, text: str) -> list[_Line]:
        """PDFium's lines; it breaks those that read from right to left where their direction changes: one again."""
        lines: list[_Line] = []
        for found in _LINE.finditer(text):
            content, start = found.group(), found.start()
            is_rtl = reads_right_to_left(content)
            if is_rtl:
                content = with_ligatures_mended(content, partial(self._is_one_sign, start))
            words = [
                Word(word.group(), start + word.start(), self._box(start + word.start(), start + word.end() - 1))
                for word in _WORD.finditer(content)
            ]
            if not words:
                continue
            # In the middle: a line may begin with the superscript of the one before.
            middle = words[len(words) // 2].start
            size, is_bold = self._font(middle)
            line = _Line(words, size, is_bold, self._baseline(middle), is_rtl, bool(found[1]))
            last = lines[-1] if lines else None
            if last and (line.is_rtl or last.is_rtl) and abs(last.baseline - line.baseline) < _SAME_LINE * size:
                last.words += words
                last.is_rtl = True
            else:
                lines.append(line)
        return lines

    def _fragments(self, line: _Line, row: int, visibility: Visibility) -> list[Fragment]:
        found: list[Fragment] = []
        for word in in_reading_order(line.words) if line.is_rtl else line.words:
            left, bottom, right, top = word.box
            last = found[-1] if found else None
            if last and (top < last.bottom or bottom > last.top):
                # Fields of a form that follow each other in the file, one below the other, are one line to PDFium.
                last, row = None, row + 1
            if last is None or max(left - last.right, last.left - right) > _GAP_EM * max(line.size, 4.0):
                last = Fragment(word.text, left, right, bottom, top, line.size, row, line.baseline, line.is_bold)
                found.append(last)
            else:
                last.text += f" {word.text}"
                last.left, last.right = min(left, last.left), max(right, last.right)
                last.bottom, last.top = min(bottom, last.bottom), max(top, last.top)
            visibility.note(last, word.start, len(word.text), word.box)
        found[-1].is_hyphenated = line.is_hyphenated
        return found

    def _box(self, first: int, last: int) -> Box:
        """Around the characters from the first to the last, as wide as their font says."""
        box, at = self._rectangle, ctypes.byref(self._rectangle)
        pdfium.FPDFText_GetLooseCharBox(self._text_page, first, at)
        left, bottom, right, top = box.left, box.bottom, box.right, box.top
        if last > first:
            pdfium.FPDFText_GetLooseCharBox(self._text_page, last, at)
            left, right = min(left, box.left), max(right, box.right)
            bottom, top = min(bottom, box.bottom), max(top, box.top)
        return left, bottom, right, top

    def _is_one_sign(self, start: int, offset: int) -> bool:
        """Whether the character there and the next one have one place."""
        index = start + offset
        return self._box(index, index) == self._box(index + 1, index + 1)

    def _baseline(self, index: int) -> float:
        pdfium.FPDFText_GetCharOrigin(self._text_page, index, ctypes.byref(self._x), ctypes.byref(self._y))
        return self._y.value

    def _font(self, index: int) -> tuple[float, bool]:
        """Size in points as it is displayed, and whether it is bold."""
        size = pdfium.FPDFText_GetFontSize(self._text_page, index)
        if pdfium.FPDFText_GetMatrix(self._text_page, index, ctypes.byref(self._matrix)):
            matrix = self._matrix
            size *= math.sqrt(abs(matrix.a * matrix.d - matrix.b * matrix.c))
        pdfium.FPDFText_GetFontInfo(self._text_page, index, self._name, _NAME_BYTES, ctypes.byref(self._flags))
        name = self._name.value
        return size, b"Bold" in name or b"Black" in name or b"bold" in name
