"""JetStream's own description of a stream and of its consumer, as far as this project reads it."""

from datetime import datetime

import msgspec
import nats.js.errors

from contract.bus.nats_errors import translated_errors


class _Limits(msgspec.Struct):
    max_msgs: int = 0
    max_bytes: int = 0


class StreamState(msgspec.Struct, frozen=True):
    """What a stream holds."""

    messages: int = 0
    first_seq: int = 0
    last_seq: int = 0
    consumer_count: int = 0


class _PageState(StreamState, frozen=True):
    first_ts: datetime = datetime.min
    subjects: dict[str, int] = {}
    bytes: int = 0


class ApiError(msgspec.Struct):
    """Why JetStream refused a request."""

    code: int = 0
    err_code: int = 0
    description: str = ""


class _Delivered(msgspec.Struct, frozen=True):
    consumer_seq: int = 0


class ConsumerInfo(msgspec.Struct, frozen=True):
    """How far a consumer is: messages still to be delivered, and those delivered without an ack."""

    delivered: _Delivered = _Delivered()
    num_pending: int = 0
    num_ack_pending: int = 0


class StreamPage(msgspec.Struct):
    """A page of a stream's info, with at most 100,000 subjects."""

    config: _Limits = msgspec.field(default_factory=_Limits)
    state: _PageState = msgspec.field(default_factory=_PageState)
    total: int = 0
    purged: int = 0
    error: ApiError | None = None


_page_decoder = msgspec.json.Decoder(StreamPage)


def decode_page(reply: bytes) -> StreamPage:
    """Decode a reply of a stream's info or purge; raises BusError if the request was refused."""
    # nats-py would build Python objects for all subjects of a long queue.
    page = _page_decoder.decode(reply)
    if page.error:
        with translated_errors():
            raise nats.js.errors.APIError.from_error(msgspec.structs.asdict(page.error))
    return page
