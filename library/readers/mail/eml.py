"""Mail as RFC 5322 has it: heads, the body as its writer wrote it, and attachments as documents of their own."""

import email
import email.feedparser
import email.generator
import email.parser
import email.policy
from collections.abc import Iterable
from email.message import MIMEPart
from typing import cast

from contract.document_name import document_name
from library.readers.canonical import Canvas
from library.readers.formats import Enclosed
from library.readers.reading import ReadingFailed
from library.readers.source import Source
from library.readers.text.encoding import decoded
from library.readers.text.html import write_html

_HEADS = ("Subject", "From", "To", "Cc", "Date")
_TITLE_CHARS = 200
_LEAST_CHARS = 40  # of a plain body that has an HTML one beside it: less says "see the HTML"


def read(source: Source, canvas: Canvas) -> Iterable[Enclosed]:
    """Write the message; returns its attachments. Raises ReadingFailed for more of them than the limit."""
    message = email.message_from_bytes(source.content(), policy=email.policy.default)
    _write_heads(message, canvas)
    _write_body(message, canvas)
    return _attachments(message, canvas)


def _write_heads(message: MIMEPart, canvas: Canvas) -> None:
    for name in _HEADS:
        value = " ".join(str(message.get(name, "")).split())
        if value:
            canvas.write(f"{name}: {value}")
            canvas.end_line()
            if name == "Subject":
                canvas.title = value[:_TITLE_CHARS]
    canvas.end_paragraph()


def _write_body(message: MIMEPart, canvas: Canvas) -> None:
    plain, page = message.get_body(("plain",)), message.get_body(("html",))
    text = _text(plain) if plain is not None else ""
    if page is not None and len(text.strip()) < _LEAST_CHARS:
        write_html(_text(page), canvas)
    else:
        canvas.write(text)
        canvas.end_line()


def _text(part: MIMEPart) -> str:
    """Decoded as the part says, or as it looks where that is wrong."""
    payload = part.get_payload(decode=True)
    charset = part.get_content_charset()
    return decoded(payload if isinstance(payload, bytes) else b"", str(charset) if charset else None)


def _attachments(message: MIMEPart, canvas: Canvas) -> list[Enclosed]:
    found: list[Enclosed] = []
    for part in message.iter_attachments():
        if part.get_content_maintype() == "image":
            continue  # logos and signatures; an image is no document
        found.append(_attachment(part, len(found) + 1))
        check_count(len(found), canvas)
    return found


def _attachment(part: MIMEPart, number: int) -> Enclosed:
    kind = part.get_content_type()
    if kind == "message/rfc822":
        inner = cast("list[MIMEPart]", part.get_payload())[0]
        name = document_name(f"{inner.get('Subject', f'message {number}')}.eml".replace("/", " "))
        return Enclosed(name, kind, inner.as_bytes())
    payload = part.get_payload(decode=True)
    name = document_name(part.get_filename() or "", default=f"attachment {number}")
    return Enclosed(name, kind, payload if isinstance(payload, bytes) else b"")


def check_count(count: int, canvas: Canvas) -> None:
    """Raise ReadingFailed for more attachments than the limit."""
    if count > canvas.limits.attachments:
        raise ReadingFailed("too-large", f"The message has more than {canvas.limits.attachments:,} attachments.")
