"""Writes a tool's messages to stdout, each at once."""

import sys
from collections.abc import Callable

from contract.errors import DocQAError
from contract.worker_tools import Failed, Message, encode


def report(message: Message) -> None:
    """Write one message."""
    sys.stdout.buffer.write(encode(message))
    sys.stdout.buffer.flush()


def reply(work: Callable[[], Message]) -> int:
    """Do the work and report its reply, or the sentence of the DocQAError that it raised; the exit status, 0 or 2."""
    try:
        report(work())
    except DocQAError as error:
        report(Failed(sentence=str(error)))
        return 2
    return 0
