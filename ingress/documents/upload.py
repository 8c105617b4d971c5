"""An uploaded file as it comes in: multipart/form-data or the bare body, read in pieces, never held whole."""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final
from urllib.parse import unquote

import msgspec
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from contract.document_name import document_name
from ingress.problems import Problem

FIELD: Final = "file"
_MAX_FIELDS: Final = 16
_ANY_BYTES: Final = "latin-1"
"""Takes each byte of a part's head as it is: older clients send names in their own encoding."""
_EXTENDED: Final = re.compile(r"filename\*\s*=\s*utf-8''([^;\s]+)", re.IGNORECASE)


class Upload(msgspec.Struct, frozen=True):
    """One file: its name and media type as the client says them (hints), and its bytes as they come."""

    name: str
    media_type: str
    chunks: AsyncIterator[bytes]


async def receive(headers: dict[str, str], body: AsyncIterator[bytes]) -> Upload:
    """The file of a request, begun; raises Problem where the form has none."""
    media_type, options = parse_options_header(headers.get("content-type", ""))
    if media_type == "multipart/form-data":
        return await _from_form(options.get("boundary", ""), body)
    disposition = headers.get("content-disposition", "")
    return Upload(_name_of(disposition), media_type, body)


async def _from_form(boundary: str, body: AsyncIterator[bytes]) -> Upload:
    events = _events(boundary, body)
    async for event in events:
        if isinstance(event, MultipartSegment) and event.name == FIELD:
            return Upload(document_name(_as_text(event.filename or "")), event.content_type or "", _payload(events))
    raise _bad_form(
        f"The form has no field `{FIELD}` with a file in it: send one, as `curl -F {FIELD}=@lease.pdf` does."
    )


async def _payload(events: AsyncGenerator[MultipartSegment | bytes | None, None]) -> AsyncIterator[bytes]:
    """The bytes of the field; what follows it is read to the end and left alone."""
    is_over = False
    async for event in events:
        if event is None:
            is_over = True
        elif isinstance(event, MultipartSegment):
            if event.name == FIELD:
                raise _bad_form(f"The form has several fields `{FIELD}`: upload one file a request.")
        elif not is_over:
            yield bytes(event)


async def _events(boundary: str, body: AsyncIterator[bytes]) -> AsyncGenerator[MultipartSegment | bytes | None, None]:
    try:
        with PushMultipartParser(boundary, max_segment_count=_MAX_FIELDS, header_charset=_ANY_BYTES) as parser:
            async for chunk in body:
                for event in parser.parse(chunk):
                    yield event
    except MultipartError as error:
        raise _bad_form(f"The form can't be read: {error}.") from None


def _as_text(name: str) -> str:
    """A name whose bytes were taken one by one: UTF-8 if it can be, else Latin-1."""
    try:
        return name.encode(_ANY_BYTES).decode()
    except (UnicodeEncodeError, UnicodeDecodeError):
        return name


def _name_of(disposition: str) -> str:
    """The name in a Content-Disposition; RFC 8187's form counts before the plain one."""
    if extended := _EXTENDED.search(disposition):
        return document_name(unquote(extended[1], errors="replace"))
    _, options = parse_options_header(disposition)
    return document_name(options.get("filename", ""))


def _bad_form(detail: str) -> Problem:
    return Problem(400, "bad-request", "The upload can't be understood", detail)
