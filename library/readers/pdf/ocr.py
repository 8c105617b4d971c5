"""Reads a page's picture by tesseract, a program of the system: words with their places become fragments.

Runs inside of a sandbox that lets that program start; where there is none, nothing is read.
"""

import csv
import ctypes
import subprocess
from collections.abc import Callable
from itertools import groupby
from typing import Any

import pypdfium2.raw as pdfium

from library.readers.pdf.fragment import Fragment
from library.readers.reading import ReadingFailed

_DPI = 300
_POINTS = 72
_PIXELS = 40_000_000
_PAGE_S = 120.0
_LANGUAGES = 8
_NO_LANGUAGE = frozenset(("osd", "equ", "snum"))
_WORD_LEVEL = "5"
_LEAST_CONFIDENCE = 30.0  # of 100: below are specks and drawings
_ENVIRONMENT = {"OMP_THREAD_LIMIT": "1", "LC_ALL": "C.UTF-8", "PATH": "/usr/local/bin:/usr/bin:/bin"}

Recognise = Callable[[Any], list[Fragment]]


def recogniser(tesseract: str) -> Recognise | None:
    """What makes fragments of a page, in every language that is installed; None: without the program."""
    if not tesseract:
        return None
    languages: list[str] = []

    def recognise(page: Any) -> list[Fragment]:
        if not languages:
            languages.extend(_languages(tesseract))
        picture, scale = _picture(page)
        command = [tesseract, "stdin", "stdout", "--dpi", str(_DPI), "-l", "+".join(languages), "tsv"]
        return fragments_of(_run(command, picture), scale, pdfium.FPDF_GetPageHeightF(page))

    return recognise


def fragments_of(table: str, scale: float, height: float) -> list[Fragment]:
    """Lines of words from tesseract's table; `scale` is pixels a point, `height` the page's in points.

    All letters get one size: it differs by chance, and would make headings of lines.
    """
    rows = csv.DictReader(table.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    words = [row for row in rows if row["level"] == _WORD_LEVEL and _is_word(row)]
    found: list[Fragment] = []
    for _, line in groupby(words, key=lambda row: (row["block_num"], row["par_num"], row["line_num"])):
        found.append(_fragment(list(line), scale, height, len(found)))
    size = sorted(fragment.size for fragment in found)[len(found) // 2] if found else 0.0
    for fragment in found:
        fragment.size = size
    return found


def _is_word(row: dict[str, str]) -> bool:
    return bool(row["text"].strip()) and float(row["conf"]) >= _LEAST_CONFIDENCE


def _fragment(line: list[dict[str, str]], scale: float, height: float, row: int) -> Fragment:
    left = min(int(word["left"]) for word in line) / scale
    right = max(int(word["left"]) + int(word["width"]) for word in line) / scale
    top = height - min(int(word["top"]) for word in line) / scale
    bottom = height - max(int(word["top"]) + int(word["height"]) for word in line) / scale
    text = " ".join(word["text"] for word in line)
    cut = text.endswith("-") and text[-2:-1].isalpha()
    return Fragment(text[:-1] if cut else text, left, right, bottom, top, top - bottom, row, bottom, is_hyphenated=cut)


def _languages(tesseract: str) -> list[str]:
    listed = _run([tesseract, "--list-langs"], b"").splitlines()[1:]
    return [name for name in map(str.strip, listed) if name and name not in _NO_LANGUAGE][:_LANGUAGES] or ["eng"]


def _run(command: list[str], picture: bytes) -> str:
    try:
        ended = subprocess.run(
            command, input=picture, capture_output=True, timeout=_PAGE_S, env=_ENVIRONMENT, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ReadingFailed("reader-crashed", "Character recognition (tesseract) failed on a page.") from error
    return ended.stdout.decode("utf-8", "replace")


def _picture(page: Any) -> tuple[bytes, float]:
    """The page in grey as a PGM file, upright, and its pixels a point."""
    width, height = pdfium.FPDF_GetPageWidthF(page), pdfium.FPDF_GetPageHeightF(page)
    scale = min(_DPI / _POINTS, (_PIXELS / max(width * height, 1.0)) ** 0.5)
    columns, rows = max(1, round(width * scale)), max(1, round(height * scale))
    bitmap = pdfium.FPDFBitmap_CreateEx(columns, rows, pdfium.FPDFBitmap_Gray, None, 0)
    if not bitmap:
        raise MemoryError
    pdfium.FPDFBitmap_FillRect(bitmap, 0, 0, columns, rows, 0xFFFFFFFF)
    pdfium.FPDF_RenderPageBitmap(bitmap, page, 0, 0, columns, rows, 0, pdfium.FPDF_GRAYSCALE)
    stride, start = pdfium.FPDFBitmap_GetStride(bitmap), pdfium.FPDFBitmap_GetBuffer(bitmap)
    pixels = ctypes.string_at(start, stride * rows)
    pdfium.FPDFBitmap_Destroy(bitmap)
    lines = (pixels[row * stride : row * stride + columns] for row in range(rows))
    return b"P5 %d %d 255\n" % (columns, rows) + b"".join(lines), scale
