"""Translates nats-py's exceptions into the project's: stored, refused, unavailable or unknown."""

import contextlib
from collections.abc import Iterator
from typing import Final

import nats.errors
import nats.js.errors

from contract.errors import (
    AlreadyAcceptedError,
    BusError,
    BusUnavailableError,
    MessageTooLargeError,
    NotProvisionedError,
    OutcomeUnknownError,
    QueueFullError,
)

NO_MESSAGE: Final = 10057
WRONG_LAST_SEQUENCE: Final = (10071, 10164)
"""Error codes of nats-server that callers handle themselves."""

_STORE_FAILED = 10077
_STREAM_NOT_FOUND = 10059
_CONSUMER_NOT_FOUND = 10014
_MESSAGE_TOO_LARGE = 10054


@contextlib.contextmanager
def translated_errors(when_full: BusError | None = None) -> Iterator[None]:
    """Raise the project's exceptions in place of nats-py's; `when_full` in place of QueueFullError."""
    try:
        yield
    except (nats.js.errors.NoStreamResponseError, nats.errors.NoRespondersError):
        raise NotProvisionedError from None
    except nats.js.errors.APIError as error:
        translated = _from_api_error(error)
        raise when_full if when_full and isinstance(translated, QueueFullError) else translated from None
    except TimeoutError:
        # Also nats.errors.TimeoutError; a denied permission looks the same, and only the log shows it.
        raise OutcomeUnknownError from None
    except nats.errors.MaxPayloadError:
        raise MessageTooLargeError from None
    except (nats.errors.Error, OSError):
        raise BusUnavailableError from None


def _from_api_error(error: nats.js.errors.APIError) -> BusError:
    description = error.description or ""
    if error.err_code == _STORE_FAILED and description.startswith("maximum messages per subject"):
        return AlreadyAcceptedError()
    if error.err_code == _STORE_FAILED and description.startswith("maximum "):
        return QueueFullError()
    if error.err_code == _MESSAGE_TOO_LARGE:
        return MessageTooLargeError()
    if error.err_code in (_STREAM_NOT_FOUND, _CONSUMER_NOT_FOUND):
        return NotProvisionedError()
    if error.code == 503:
        return BusUnavailableError()
    return BusError(f"The bus refused: {description or error}.")
