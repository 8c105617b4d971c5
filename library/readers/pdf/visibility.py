"""Which words of a page are seen: not those off it, of no size, or in the colour of what is behind them.

Light words are looked for in a picture of the page, made only where there are any. Invisible text over an image is a
scan's own text and counts as seen.
"""

import ctypes
from typing import Any

import pypdfium2.raw as pdfium

from library.readers.pdf.fragment import Fragment
from library.readers.reading import HiddenReason

_SMALLEST_POINTS = 1.2  # of the box around a letter
_LIGHT = 190  # of 255, each of red, green and blue
_FAINT = 16  # of 255: less opaque than that is invisible
_CONTRAST = 12  # of 255: less is invisible
_INVISIBLE_MODES = (3, 7)
_PIXELS = 2_000_000
_SCALE = 2.0
_RENDERED_WORDS = 5_000
_IMAGE_SHARE = 0.3  # of the page, from which on an image is a scan
_OBJECTS = 20_000
_FORM_DEPTH = 8

Box = tuple[float, float, float, float]  # left, bottom, right, top


class Visibility:
    """Marks invisible words in fragments."""

    def __init__(self, page: Any, text_page: Any) -> None:
        self._page = page
        self._text_page = text_page
        self._bounds = _bounds(page)
        self._colour = tuple(ctypes.c_uint() for _ in range(4))
        self._at = tuple(ctypes.byref(part) for part in self._colour)
        self._object = 0
        self._of_object: HiddenReason | None = None
        self._doubtful: list[tuple[Fragment, int, int, Box]] = []
        self._unseen: list[tuple[Fragment, int, int]] = []

    def note(self, fragment: Fragment, index: int, length: int, box: Box) -> None:
        """A word that was just appended to the fragment; `index` is its first character's on the page."""
        reason = self._by_place(box) or self._by_style(index)
        if reason is None:
            return
        end = len(fragment.text)
        if reason == "invisible":
            self._unseen.append((fragment, end - length, end))
        elif reason == "colour":
            self._doubtful.append((fragment, end - length, end, box))
        else:
            fragment.hidden = [*fragment.hidden, (end - length, end, reason)]

    def settle(self) -> None:
        """Decide about the words that were doubtful. To be called once, at the end of the page."""
        if self._unseen and _share_of_images(self._page) < _IMAGE_SHARE:
            for fragment, start, end in self._unseen:
                fragment.hidden = [*fragment.hidden, (start, end, "invisible")]
        if self._doubtful:
            picture = _Picture(self._page, self._bounds)
            for fragment, start, end, box in self._doubtful[:_RENDERED_WORDS]:
                if not picture.shows(box):
                    fragment.hidden = [*fragment.hidden, (start, end, "colour")]

    def _by_place(self, box: Box) -> HiddenReason | None:
        left, bottom, right, top = box
        if top - bottom < _SMALLEST_POINTS and right - left < _SMALLEST_POINTS * 40:
            return "size"
        page_left, page_bottom, page_right, page_top = self._bounds
        if right <= page_left or left >= page_right or top <= page_bottom or bottom >= page_top:
            return "off-page"
        return None

    def _by_style(self, index: int) -> HiddenReason | None:
        """Asked once for all words of one text object: they have one style."""
        text_object = pdfium.FPDFText_GetTextObject(self._text_page, index)
        if not text_object:
            return None
        address = ctypes.addressof(text_object.contents)
        if address != self._object:
            self._object = address
            self._of_object = self._style(text_object, index)
        return self._of_object

    def _style(self, text_object: Any, index: int) -> HiddenReason | None:
        if pdfium.FPDFTextObj_GetTextRenderMode(text_object) in _INVISIBLE_MODES:
            return "invisible"
        if not pdfium.FPDFText_GetFillColor(self._text_page, index, *self._at):
            return None
        red, green, blue, alpha = (part.value for part in self._colour)
        if alpha < _FAINT or min(red, green, blue) >= _LIGHT:
            return "colour"
        return None


def _bounds(page: Any) -> Box:
    box = pdfium.FS_RECTF()
    pdfium.FPDF_GetPageBoundingBox(page, ctypes.byref(box))
    return box.left, box.bottom, box.right, box.top


def _share_of_images(page: Any) -> float:
    """How much of the page images cover, at most 1; overlaps count twice."""
    left, bottom, right, top = _bounds(page)
    area = max((right - left) * (top - bottom), 1.0)
    covered = 0.0
    for index in range(min(pdfium.FPDFPage_CountObjects(page), _OBJECTS)):
        covered += _image_area(pdfium.FPDFPage_GetObject(page, index), (left, bottom, right, top))
    return min(covered / area, 1.0)


def _image_area(item: Any, page: Box) -> float:
    kind = pdfium.FPDFPageObj_GetType(item)
    if kind not in (pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_FORM):
        return 0.0
    if kind == pdfium.FPDF_PAGEOBJ_FORM and not _holds_image(item, _FORM_DEPTH):
        return 0.0
    edges = [ctypes.c_float() for _ in range(4)]
    if not pdfium.FPDFPageObj_GetBounds(item, *(ctypes.byref(edge) for edge in edges)):
        return 0.0
    left, bottom, right, top = (edge.value for edge in edges)
    width = min(right, page[2]) - max(left, page[0])
    height = min(top, page[3]) - max(bottom, page[1])
    return max(width, 0.0) * max(height, 0.0)


def _holds_image(form: Any, depth: int) -> bool:
    for index in range(min(pdfium.FPDFFormObj_CountObjects(form), _OBJECTS)):
        item = pdfium.FPDFFormObj_GetObject(form, index)
        kind = pdfium.FPDFPageObj_GetType(item)
        if kind == pdfium.FPDF_PAGEOBJ_IMAGE:
            return True
        if kind == pdfium.FPDF_PAGEOBJ_FORM and depth and _holds_image(item, depth - 1):
            return True
    return False


class _Picture:
    """The page as grey pixels."""

    def __init__(self, page: Any, bounds: Box) -> None:
        self._bounds = bounds
        width, height = bounds[2] - bounds[0], bounds[3] - bounds[1]
        self._scale = min(_SCALE, (_PIXELS / max(width * height, 1.0)) ** 0.5)
        self._width, self._height = max(1, round(width * self._scale)), max(1, round(height * self._scale))
        bitmap = pdfium.FPDFBitmap_CreateEx(self._width, self._height, pdfium.FPDFBitmap_Gray, None, 0)
        if not bitmap:
            raise MemoryError
        pdfium.FPDFBitmap_FillRect(bitmap, 0, 0, self._width, self._height, 0xFFFFFFFF)
        turned = -pdfium.FPDFPage_GetRotation(page) % 4  # as the page's own coordinates are
        pdfium.FPDF_RenderPageBitmap(bitmap, page, 0, 0, self._width, self._height, turned, pdfium.FPDF_GRAYSCALE)
        self._stride = pdfium.FPDFBitmap_GetStride(bitmap)
        self._pixels = ctypes.string_at(pdfium.FPDFBitmap_GetBuffer(bitmap), self._stride * self._height)
        pdfium.FPDFBitmap_Destroy(bitmap)

    def shows(self, box: Box) -> bool:
        """Whether anything in the box differs from the rest of it."""
        left = max(0, int((box[0] - self._bounds[0]) * self._scale))
        right = min(self._width, int((box[2] - self._bounds[0]) * self._scale) + 1)
        top = max(0, int((self._bounds[3] - box[3]) * self._scale))
        bottom = min(self._height, int((self._bounds[3] - box[1]) * self._scale) + 1)
        lines = [self._pixels[y * self._stride + left : y * self._stride + right] for y in range(top, bottom)]
        # The edge of a ground that ends inside of the box is no letter: only lines that differ within themselves count.
        contrasts = sorted((max(line) - min(line) for line in lines if line), reverse=True)
        return bool(contrasts) and contrasts[len(contrasts) // 4] >= _CONTRAST
