"""RTF: its text in one pass over its control words (Rich Text Format Specification 1.9.1, Microsoft, 2008).

Groups that hold no text (fonts, pictures, running heads …) are passed over; `\\v` text is hidden.
"""

import codecs
import re
from collections.abc import Iterable

import msgspec

from library.readers.canonical import Canvas
from library.readers.formats import Enclosed
from library.readers.reading import too_deep
from library.readers.source import Source

_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|[\r\n]+|([^\\{}\r\n]+)"
)
_CHARACTERS = {
    b"tab": "\t",
    b"emdash": "\u2014",
    b"endash": "\u2013",
    b"emspace": " ",
    b"enspace": " ",
    b"qmspace": " ",
    b"bullet": "\u2022",
    b"lquote": "\u2018",
    b"rquote": "\u2019",
    b"ldblquote": "\u201c",
    b"rdblquote": "\u201d",
}
_SYMBOLS = {b"~": "\u00a0", b"_": "\u2011", b"{": "{", b"}": "}", b"\\": "\\"}
_PASSED_OVER = frozenset(
    b"fonttbl colortbl stylesheet info pict object objdata header headerl headerr headerf footer footerl footerr"
    b" footerf listtable listoverridetable rsidtbl generator themedata colorschememapping datastore xmlnstbl fldinst"
    b" bkmkstart bkmkend revtbl filetbl nonshppict latentstyles datafield atnid atnauthor annotation deleted".split()
)
_CHARSETS = {0: "cp1252", 77: "mac-roman", 128: "cp932", 129: "cp949", 134: "gb18030", 136: "big5", 161: "cp1253"}
_CHARSETS |= {162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874"}
_CHARSETS |= {238: "cp1250"}


class _Group(msgspec.Struct):
    """What a group inherits and changes for itself."""

    is_passed_over: bool = False
    is_hidden: bool = False
    font: int = -1
    skipped: int = 1  # characters that stand behind \\u for those who don't know it


def read(source: Source, canvas: Canvas) -> Iterable[Enclosed]:
    """Write the document's text."""
    write_rtf(source.content(), canvas)
    return ()


def write_rtf(data: bytes, canvas: Canvas) -> None:
    """Write the text of an RTF document."""
    _Reader(canvas).read(data)


class _Reader:
    def __init__(self, canvas: Canvas) -> None:
        self._canvas = canvas
        self._group = _Group()
        self._groups: list[_Group] = []
        self._encoding = "cp1252"
        self._fonts: dict[int, str] = {}
        self._in_fonts = 0  # the depth of the table of fonts
        self._bytes = bytearray()  # of characters not decoded yet: one may take two
        self._to_skip = 0
        self._high = 0  # the first half of a letter beyond the first plane
        self._is_row = False
        self._is_cell_due = False
        self._level = 0
        self._heading_from = 0

    def read(self, data: bytes) -> None:
        """Write all text up to the end of the outermost group."""
        place = 0
        while token := _TOKEN.match(data, place):
            word, argument, code, symbol, brace, text = token.groups()
            place = token.end() + (max(int(argument or 0), 0) if word == b"bin" else 0)
            if code is not None:
                self._byte(bytes((int(code, 16),)))
            elif text is not None:
                self._byte(text)
            elif brace is not None:
                self._flush()
                self._brace(brace)
                if not self._groups:
                    break
            elif word is not None:
                self._word(word, int(argument) if argument else None)
            elif symbol is not None:
                self._symbol(symbol)
        self._flush()
        self._end_paragraph()

    def _brace(self, brace: bytes) -> None:
        if brace == b"{":
            self._groups.append(msgspec.structs.replace(self._group))
            if len(self._groups) > self._canvas.limits.depth:
                raise too_deep(self._canvas.limits.depth)
        elif self._groups:
            self._group = self._groups.pop()
            if len(self._groups) < self._in_fonts:
                self._in_fonts = 0
        self._to_skip = 0

    def _byte(self, data: bytes) -> None:
        skipped = min(self._to_skip, len(data))
        self._to_skip -= skipped
        if not self._group.is_passed_over:
            self._bytes += data[skipped:]

    def _flush(self) -> None:
        if self._bytes:
            encoding = self._fonts.get(self._group.font, self._encoding)
            self._write(self._bytes.decode(encoding, "replace"))
            self._bytes.clear()

    def _write(self, text: str) -> None:
        if self._group.is_passed_over or not text:
            return
        if self._is_cell_due:
            self._canvas.cell()
            self._is_cell_due = False
        start = self._canvas.length
        self._canvas.write(text.replace("\u00ad", ""))
        if self._group.is_hidden:
            self._canvas.conceal(start, self._canvas.length, "markup")

    def _symbol(self, symbol: bytes) -> None:
        self._flush()
        if symbol == b"*":
            self._group.is_passed_over = True
        elif symbol in (b"\r", b"\n"):
            self._end_paragraph()
        else:
            self._write(_SYMBOLS.get(symbol, ""))

    def _word(self, word: bytes, argument: int | None) -> None:
        if word == b"u" and argument is not None:
            self._flush()
            self._unicode(argument)
            return
        self._flush()
        if word in _PASSED_OVER:
            self._group.is_passed_over = True
            if word == b"fonttbl":
                self._in_fonts = len(self._groups)
        elif word in _CHARACTERS:
            self._write(_CHARACTERS[word])
        elif word in (b"par", b"line", b"sect", b"page", b"cell", b"row", b"nestcell", b"nestrow"):
            self._structure(word)
        else:
            self._property(word, argument)

    def _unicode(self, code: int) -> None:
        code = code + 0x10000 if code < 0 else code
        if code < 0x110000 and not self._group.is_passed_over:
            self._write_unit(code)
        self._to_skip = self._group.skipped

    def _write_unit(self, code: int) -> None:
        if 0xD800 <= code < 0xDC00:
            self._high = code
        elif 0xDC00 <= code < 0xE000 and self._high:
            self._write(chr(0x10000 + ((self._high - 0xD800) << 10) + (code - 0xDC00)))
            self._high = 0
        else:
            self._write(chr(code))

    def _structure(self, word: bytes) -> None:
        if self._group.is_passed_over:
            return
        if word in (b"cell", b"nestcell"):
            self._is_cell_due = True
        elif word in (b"row", b"nestrow", b"line"):
            self._is_cell_due = False
            self._canvas.end_line()
        else:
            self._end_paragraph()

    def _end_paragraph(self) -> None:
        if self._level:
            self._canvas.mark_heading_from(self._heading_from, self._level)
        self._canvas.end_paragraph() if not self._is_row else self._canvas.flow(" ")
        self._heading_from = self._canvas.length

    def _property(self, word: bytes, argument: int | None) -> None:
        match word:
            case b"v":
                self._group.is_hidden = argument != 0
            case b"plain":
                self._group.is_hidden = False
            case b"uc":
                self._group.skipped = max(argument or 0, 0)
            case b"f" if argument is not None:
                self._group.font = argument
            case b"fcharset" if self._in_fonts and argument in _CHARSETS:
                self._fonts[self._group.font] = _CHARSETS[argument]
            case b"ansicpg" if argument:
                self._encoding = _known(f"cp{argument}")
            case b"pard":
                self._level, self._is_row = 0, False
            case b"intbl":
                self._is_row = True
            case b"outlinelevel" if argument is not None:
                self._level = argument + 1 if argument < 6 else 0


def _known(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        return "cp1252"
