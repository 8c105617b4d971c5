"""Searches long texts for the worker: frames on stdin, frames on stdout, until stdin ends."""

import os
import signal
import sys
from functools import partial
from typing import BinaryIO, Final

import msgspec

from contract.embedding import open_embedders
from inference_worker.answering.prepared import PreparedTexts
from inference_worker.answering.ranking_process import Ranked, RankRequest

_LENGTH_BYTES: Final = 8


def main() -> int:
    """Serve one request after the other. Arguments: DOCQA_EMBEDDING_MODEL's value and a number of threads."""
    # Ctrl-C reaches the whole group; the worker drains first, and closes the pipe then.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    replies = os.fdopen(os.dup(1), "wb")
    # What a library prints must not get between the frames.
    os.dup2(2, 1)
    setting, threads = sys.argv[1], int(sys.argv[2])
    serve(sys.stdin.buffer, replies, PreparedTexts(partial(open_embedders, setting, threads)))
    return 0


def serve(requests: BinaryIO, replies: BinaryIO, texts: PreparedTexts) -> None:
    """Answer until the requests end."""
    while len(head := requests.read(_LENGTH_BYTES)) == _LENGTH_BYTES:
        request = msgspec.msgpack.decode(requests.read(int.from_bytes(head, "big")), type=RankRequest)
        found = texts.known(request.question, request.text) or texts.find(request.question, request.text)
        body = msgspec.msgpack.encode(Ranked(list(found.sentences), found.ranked, found.features))
        replies.write(len(body).to_bytes(_LENGTH_BYTES, "big"))
        replies.write(body)
        replies.flush()


if __name__ == "__main__":
    sys.exit(main())
