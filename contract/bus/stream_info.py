"""A stream's info: its bound, its state and its subjects."""

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


class _ApiError(msgspec.Struct):
    code: int = 0
    err_code: int = 0
    description: str = ""


class StreamPage(msgspec.Struct):
    """One page of a stream's info: the server lists at most 100,000 subjects a page."""

    config: _Limits = msgspec.field(default_factory=_Limits)
    state: _State = msgspec.field(default_factory=_State)
    total: int = 0
    purged: int = 0
    error: _ApiError | None = None


_page_decoder = msgspec.json.Decoder(StreamPage)


def decode_page(reply: bytes) -> StreamPage:
    """Decode the reply to an info or purge request; raises BusError when it is an error."""
    # Not by nats-py, which builds Python objects for everything: a long queue has many subjects.
    page = _page_decoder.decode(reply)
    if page.error:
        with translated_errors():
            raise nats.js.errors.APIError.from_error(msgspec.structs.asdict(page.error))
    return page
