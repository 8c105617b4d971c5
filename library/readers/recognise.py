"""Tells the format of a file by its content; a name or a declared type only decides between kinds of text.

Reads first bytes and lists of parts, and nothing of what the parts hold.
"""

import csv
import re
import zipfile

from library.readers import formats
from library.readers.formats import Format
from library.readers.reading import ReadingFailed
from library.readers.source import Source
from library.readers.text.encoding import STRAY_SHARE, decoded

_HEAD_BYTES = 8192
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_IMAGES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\x00", b"MM\x00*", b"RIFF", b"BM")
_OOXML_MAIN = {"word/": formats.DOCX, "ppt/": formats.PPTX, "xl/": formats.XLSX}
_ODF_TYPES = {kind.media_type.encode(): kind for kind in (formats.ODT, formats.ODP, formats.ODS)}

_HTML = re.compile(r"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body)\b", re.I | re.S)
_HTML_TAGS = re.compile(r"</?(p|div|span|table|tr|td|br|h[1-6]|ul|li|a|article|section)\b[^<>]*>", re.I)
_MAIL_HEADER = re.compile(
    r"^(received|from|to|subject|date|message-id|mime-version|return-path|delivered-to|content-type):", re.I | re.M
)
_HEADER_LINES = re.compile(r"\A(?:From .*\n)?(?:[!-9;-~]+:.*\n(?:[ \t].*\n)*)+", re.M)
_MARKDOWN = re.compile(r"^(#{1,6} \S|```|~~~|[-*+] \S|> \S|\|.*\|\s*$|\d+\. \S)|\]\(\S+\)|\*\*\S", re.M)
_BY_SUFFIX = {
    **dict.fromkeys((".md", ".markdown", ".mkd"), formats.MARKDOWN),
    **dict.fromkeys((".csv", ".tsv"), formats.CSV),
    **dict.fromkeys((".html", ".htm", ".xhtml"), formats.HTML),
    **dict.fromkeys((".txt", ".text", ".log"), formats.PLAIN),
    ".eml": formats.EML,
}
_BY_MEDIA_TYPE = {
    "text/markdown": formats.MARKDOWN,
    "text/csv": formats.CSV,
    "text/tab-separated-values": formats.CSV,
    "text/html": formats.HTML,
    "message/rfc822": formats.EML,
}


def recognise(source: Source) -> Format:
    """The file's format. Raises ReadingFailed `unsupported`, `encrypted` or `damaged`, in one sentence."""
    head = source.head(_HEAD_BYTES)
    if b"%PDF-" in head[:1024]:
        return formats.PDF
    if head.startswith(b"PK\x03\x04") or head.startswith(b"PK\x05\x06"):
        return _zipped(source)
    if head.startswith(_OLE):
        return _ole(source)
    if head.lstrip().startswith(b"{\\rtf"):
        return formats.RTF
    if head.startswith(_IMAGES):
        raise ReadingFailed(
            "unsupported", "The file is an image or a recording, not a document: put images into a PDF."
        )
    return _text(source, head)


def _zipped(source: Source) -> Format:
    try:
        with zipfile.ZipFile(source.stream()) as archive:
            names = archive.namelist()
            declared = archive.read("mimetype")[:200] if names and names[0] == "mimetype" else b""
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, RuntimeError, ValueError, KeyError) as error:
        raise ReadingFailed("damaged", "The file is cut off or damaged: send it again, or save it again.") from error
    if kind := _ODF_TYPES.get(declared.strip()):
        return kind
    if "[Content_Types].xml" in names:
        for folder, kind in _OOXML_MAIN.items():
            if any(name.startswith(folder) for name in names):
                return kind
    raise ReadingFailed("unsupported", f"Archives are not opened: send the documents in it. Read are {formats.NAMES}.")


def _ole(source: Source) -> Format:
    from library.readers.office.ole import streams_of

    streams = streams_of(source)
    if "encryptedpackage" in streams:
        raise ReadingFailed("encrypted", "The document is protected by a password: save it without one.")
    for stream, kind in (
        ("__properties_version1.0", formats.MSG),
        ("worddocument", formats.DOC),
        ("workbook", formats.XLS),
        ("book", formats.XLS),
    ):
        if stream in streams:
            return kind
    raise unsupported()


def _text(source: Source, head: bytes) -> Format:
    if _is_binary(head):
        raise unsupported()
    start = decoded(head)
    if _HTML.match(start):
        return formats.HTML
    if _is_mail(start):
        return formats.EML
    declared = _BY_SUFFIX.get(source.suffix) or _BY_MEDIA_TYPE.get(source.media_type.partition(";")[0].strip().lower())
    if declared in (formats.MARKDOWN, formats.PLAIN):
        return declared
    if declared is formats.CSV or (declared is None and _is_table(start)):
        return formats.CSV
    if len(_HTML_TAGS.findall(start)) >= 4 or declared is formats.HTML:
        return formats.HTML
    return formats.MARKDOWN if len(_MARKDOWN.findall(start)) >= 2 else formats.PLAIN


def unsupported() -> ReadingFailed:
    """The failure of a file in none of the formats."""
    return ReadingFailed("unsupported", f"The file is in no format that is read: send {formats.NAMES}.")


def _is_binary(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        return False
    controls = sum(byte < 9 or 13 < byte < 32 for byte in head)
    if controls <= len(head) * STRAY_SHARE:
        return False
    # UTF-16 without its mark has a zero in every second byte of most scripts.
    even, odd = head[::2].count(0), head[1::2].count(0)
    return max(even, odd) < len(head) * 0.3 or min(even, odd) > len(head) * STRAY_SHARE


def _is_mail(start: str) -> bool:
    headers = _HEADER_LINES.match(start.replace("\r\n", "\n"))
    if headers is None:
        return False
    found = {name.lower() for name in _MAIL_HEADER.findall(headers.group())}
    return len(found) >= 3 or {"mime-version", "content-type"} <= found


def _is_table(start: str) -> bool:
    """At least three records of the same three or more fields, and no sentences in the first."""
    lines = [line for line in start.splitlines()[:-1] if line.strip()][:20]
    for delimiter in "\t;,|":
        widths = {len(row) for row in csv.reader(lines, delimiter=delimiter)}
        if len(lines) >= 3 and len(widths) == 1 and widths.pop() >= 3:
            return not re.search(r"[.!?] ", lines[0])
    return False
