"""Mail as Outlook keeps it (.msg): properties in the streams of a compound file ([MS-OXMSG], Microsoft)."""

import datetime
import struct
from collections.abc import Iterable

import olefile

from contract.document_name import document_name
from library.readers.canonical import Canvas
from library.readers.formats import Enclosed
from library.readers.mail.eml import check_count
from library.readers.mail.rtf_packed import unpacked
from library.readers.office.ole import opened
from library.readers.office.rtf import write_rtf
from library.readers.reading import ReadingFailed
from library.readers.source import Source
from library.readers.text.encoding import decoded
from library.readers.text.html import write_html

_SUBJECT, _SENDER_NAME, _SENDER_ADDRESS, _SENDER_SMTP = "0037", "0C1A", "0C1F", "5D01"
_TO, _CC, _BODY, _HTML, _PACKED_RTF = "0E04", "0E03", "1000", "1013", "1009"
_SENT = 0x00390040  # PidTagClientSubmitTime, as a FILETIME
_ATTACHED, _LONG_NAME, _SHORT_NAME, _MIME = "3701", "3707", "3704", "370E"
_EMBEDDED = "__substg1.0_3701000D"
_HEAD_BYTES = {True: 32, False: 24}  # of the properties' stream: of a message at the top, of one inside
_PROPERTY_BYTES = 16
_EPOCH = datetime.datetime(1601, 1, 1, tzinfo=datetime.UTC)
_TITLE_CHARS = 200
_DEPTH = 20

Path = tuple[str, ...]


def read(source: Source, canvas: Canvas) -> Iterable[Enclosed]:
    """Write the message; returns its attachments, a message inside as its text."""
    with opened(source) as compound:
        return _Message(compound, (), canvas).read()


class _Message:
    """One message in the file: the one at the top, or one that is attached to it."""

    def __init__(self, compound: olefile.OleFileIO, path: Path, canvas: Canvas) -> None:
        self._compound = compound
        self._path = path
        self._canvas = canvas

    def read(self) -> list[Enclosed]:
        """Write heads and body; returns the attachments."""
        if len(self._path) > _DEPTH:
            raise ReadingFailed("too-deep", f"The message nests more than {_DEPTH} messages.")
        self._write_heads()
        self._write_body()
        return self._attachments()

    def _write_heads(self) -> None:
        self._canvas.title = self._text(_SUBJECT)[:_TITLE_CHARS]
        address = self._text(_SENDER_SMTP) or self._text(_SENDER_ADDRESS)
        sender = f"{self._text(_SENDER_NAME)} <{address}>" if "@" in address else self._text(_SENDER_NAME)
        heads = {"Subject": self._text(_SUBJECT), "From": sender, "To": self._text(_TO), "Cc": self._text(_CC)}
        for name, value in {**heads, "Date": self._sent()}.items():
            if value.strip():
                self._canvas.write(f"{name}: {' '.join(value.split())}")
                self._canvas.end_line()
        self._canvas.end_paragraph()

    def _write_body(self) -> None:
        if body := self._text(_BODY).strip():
            self._canvas.write(body)
            self._canvas.end_line()
        elif page := self._bytes(_HTML, "0102"):
            write_html(decoded(page), self._canvas)
        elif page_text := self._text(_HTML):
            write_html(page_text, self._canvas)
        elif packed := self._bytes(_PACKED_RTF, "0102"):
            write_rtf(unpacked(packed, self._canvas.limits.unpacked_bytes), self._canvas)

    def _attachments(self) -> list[Enclosed]:
        found: list[Enclosed] = []
        for folder in self._folders("__attach_version1.0_"):
            inside = _Message(self._compound, (*self._path, folder), self._canvas)
            if self._compound.exists([*self._path, folder, _EMBEDDED]):
                found.append(self._embedded((*self._path, folder, _EMBEDDED), len(found) + 1))
            elif data := inside._bytes(_ATTACHED, "0102"):
                name = document_name(
                    inside._text(_LONG_NAME) or inside._text(_SHORT_NAME), f"attachment {len(found) + 1}"
                )
                found.append(Enclosed(name, inside._text(_MIME), data))
            check_count(len(found), self._canvas)
        return [enclosed for enclosed in found if not enclosed.media_type.startswith("image/")]

    def _embedded(self, path: Path, number: int) -> Enclosed:
        page = Canvas(self._canvas.limits)
        _Message(self._compound, path, page).read()
        name = document_name(f"{page.title or f'message {number}'}.txt".replace("/", " "))
        return Enclosed(name, "text/plain", page.finish().encode())

    def _folders(self, prefix: str) -> list[str]:
        depth = len(self._path)
        paths = (tuple(path) for path in self._compound.listdir(streams=True, storages=True))
        return sorted(
            {
                path[depth]
                for path in paths
                if path[:depth] == self._path and path[depth:][:1] and path[depth].startswith(prefix)
            }
        )

    def _text(self, property_id: str) -> str:
        if wide := self._bytes(property_id, "001F"):
            return wide.decode("utf-16-le", "replace").rstrip("\x00")
        narrow = self._bytes(property_id, "001E")
        return decoded(narrow).rstrip("\x00") if narrow else ""

    def _bytes(self, property_id: str, kind: str) -> bytes:
        path = [*self._path, f"__substg1.0_{property_id}{kind}"]
        if not self._compound.exists(path):
            return b""
        with self._compound.openstream(path) as stream:
            return bytes(stream.read())

    def _sent(self) -> str:
        path = [*self._path, "__properties_version1.0"]
        if not self._compound.exists(path):
            return ""
        with self._compound.openstream(path) as stream:
            data = bytes(stream.read())
        for start in range(_HEAD_BYTES[not self._path], len(data) - _PROPERTY_BYTES + 1, _PROPERTY_BYTES):
            tag, _, ticks = struct.unpack_from("<IIQ", data, start)
            if tag == _SENT and ticks < 2**62:
                sent = _EPOCH + datetime.timedelta(microseconds=ticks // 10)
                return sent.isoformat(" ", "seconds")
        return ""
