"""What a stream says of itself: its bound, what is on it, and the subjects."""

from datetime import datetime

import msgspec
import nats.js.errors

from contract.bus.nats_errors import translated_errors


class _Limits(msgspec.Struct):
    max_msgs: int = 0


class _State(msgspec.Struct):
    messages: int = 0
    first_ts: datetime = datetime.min
    subjects: dict[str, int] = {}


class _Trouble(msgspec.Struct):
    code: int = 0
    err_code: int = 0
    description: str = ""


class StreamPage(msgspec.Struct):
    """A part of the stream's info: it lists at most 100,000 subjects at a time."""

    config: _Limits = msgspec.field(default_factory=_Limits)
    state: _State = msgspec.field(default_factory=_State)
    total: int = 0
    purged: int = 0
    error: _Trouble | None = None


_page_decoder = msgspec.json.Decoder(StreamPage)


def decode_page(reply: bytes) -> StreamPage:
    """A reply of the stream's info or purge; raises BusError for what it refuses."""
    # Not by nats-py, which builds a whole info of Python objects: a long queue has a long list.
    page = _page_decoder.decode(reply)
    if page.error:
        with translated_errors():
            raise nats.js.errors.APIError.from_error(msgspec.structs.asdict(page.error))
    return page
