"""The messages from the reader's process to its parent: MessagePack behind a length, over one pipe.

The parent trusts none of them: lengths are bounded, fields are typed, spans are checked against the text.
"""

from typing import BinaryIO, Protocol

import msgspec

from library.readers.reading import FailureCode, Heading, Hidden, Page, Progress

HEAD_BYTES = 4
PIECE_BYTES = 1024 * 1024
# A piece, or the list of all headings and hidden spans of a long document.
MAX_FRAME_BYTES = 64 * 1024 * 1024


class TextPiece(msgspec.Struct, frozen=True, array_like=True, tag="text"):
    """The next part of the canonical text."""

    text: str


class AttachmentStart(msgspec.Struct, frozen=True, array_like=True, tag="attachment"):
    """A file inside the file; its bytes follow."""

    name: str
    media_type: str


class AttachmentPiece(msgspec.Struct, frozen=True, array_like=True, tag="bytes"):
    """The next part of the attachment that was started last."""

    data: bytes


class Finished(msgspec.Struct, frozen=True, array_like=True, tag="finished"):
    """Everything was sent."""

    media_type: str
    title: str
    pages: list[Page]
    headings: list[Heading]
    hidden: list[Hidden]
    pages_without_text: list[int]
    sandbox: list[str]
    has_images: bool  # on pages without text


class Failed(msgspec.Struct, frozen=True, array_like=True, tag="failed"):
    """The file gave no text."""

    code: FailureCode
    sentence: str


Frame = Progress | TextPiece | AttachmentStart | AttachmentPiece | Finished | Failed

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Frame] = msgspec.msgpack.Decoder(Frame)


class Readable(Protocol):
    """As much of asyncio's StreamReader as is needed."""

    async def readexactly(self, n: int) -> bytes:
        """Raises asyncio.IncompleteReadError at the end."""
        ...


def send(pipe: BinaryIO, frame: Frame) -> None:
    """Write one frame and flush it."""
    body = _encoder.encode(frame)
    pipe.write(len(body).to_bytes(HEAD_BYTES, "big") + body)
    pipe.flush()


async def receive(stream: Readable) -> Frame:
    """The next frame. Raises asyncio.IncompleteReadError at the end, msgspec.DecodeError for what is none."""
    length = int.from_bytes(await stream.readexactly(HEAD_BYTES), "big")
    if length > MAX_FRAME_BYTES:
        raise msgspec.DecodeError(f"a frame of {length} bytes")
    return _decoder.decode(await stream.readexactly(length))
