"""What a reader's process says is bounded and checked: it may be in the hands of the file that it read."""

import asyncio
import io

import msgspec
import pytest

from library.readers.limits import Limits
from library.readers.process import frames
from library.readers.process.reader_process import Assembly
from library.readers.reading import Heading, Page, Progress, ReadingFailed

WHOLE = frames.Finished("text/plain", "", [], [], [], [], [], False)


def fed(*content: bytes) -> asyncio.StreamReader:
    stream = asyncio.StreamReader()
    for piece in content:
        stream.feed_data(piece)
    stream.feed_eof()
    return stream


def put(*sent: frames.Frame, limits: Limits = Limits()) -> Assembly:
    assembly = Assembly(limits, None, None)
    for frame in sent:
        assembly.put(frame)
    return assembly


async def test_frames_come_as_they_were_sent() -> None:
    pipe = io.BytesIO()
    sent: list[frames.Frame] = [Progress(1, 2), frames.TextPiece("héllo"), WHOLE]
    for frame in sent:
        frames.send(pipe, frame)
    stream = fed(pipe.getvalue())

    assert [await frames.receive(stream) for _ in sent] == sent


async def test_a_frame_of_gigabytes_is_refused_before_it_is_read() -> None:
    with pytest.raises(msgspec.DecodeError):
        await frames.receive(fed(b"\xff\xff\xff\xff"))


async def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(msgspec.MsgspecError):
        await frames.receive(fed(b"\x00\x00\x00\x02\x92\x01"))


@pytest.mark.parametrize(
    "finished",
    [
        msgspec.structs.replace(WHOLE, pages=[Page(0, 4)]),
        msgspec.structs.replace(WHOLE, pages=[Page(0, 2), Page(1, 3)]),
        msgspec.structs.replace(WHOLE, headings=[Heading(-1, 2, 1)]),
        msgspec.structs.replace(WHOLE, headings=[Heading(2, 1, 1)]),
        msgspec.structs.replace(WHOLE, pages=[Page(0, 3)], pages_without_text=[2]),
    ],
)
def test_spans_outside_of_the_text_are_refused(finished: frames.Finished) -> None:
    with pytest.raises(msgspec.ValidationError):
        put(frames.TextPiece("abc"), finished).outcome()


def test_more_text_than_the_limit_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        put(frames.TextPiece("abc"), frames.TextPiece("abc"), limits=Limits(text_chars=5))


def test_more_attachments_than_the_limit_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        put(frames.AttachmentPiece(b"x"))
    assembly = put(frames.AttachmentStart("a", ""), limits=Limits(attachments=1, attachments_bytes=1))
    with pytest.raises(msgspec.ValidationError):
        assembly.put(frames.AttachmentStart("b", ""))
    with pytest.raises(msgspec.ValidationError):
        assembly.put(frames.AttachmentPiece(b"xy"))
    assembly.close_unless_whole()


def test_a_failures_sentence_is_one_short_line() -> None:
    with pytest.raises(ReadingFailed) as failure:
        put(frames.Failed("damaged", "one\nline\x1b[31m" + "x" * 10_000))

    assert "\n" not in failure.value.sentence
    assert len(failure.value.sentence) <= 400
