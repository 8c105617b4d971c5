"""An HTTP client for a running system, on its Unix socket or on TCP; turns responses into answers or errors."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Self

import httpx
import msgspec
from httpx_sse import EventSource

from contract.errors import DocQAError
from ops import transport
from ops.errors import TryLaterError
from ops.settings import UpSettings

_TRY_LATER: Final = (429, 503)
_MOST_DIGITS: Final = 6
_WAIT_S: Final = 20
"""How long one request waits for its answer; after that the job is polled."""
_TIMEOUT: Final = httpx.Timeout(60, connect=5)
_STREAM_TIMEOUT: Final = httpx.Timeout(60, connect=5)
"""The stream sends at least a comment every 15 s."""
_AS_EVENTS: Final = {"Accept": "text/event-stream"}
RESTART: Final = "\0restart"
"""In place of a piece: the attempt that made the previous pieces was interrupted."""
_FIRST_POLL_AFTER_S: Final = 0.2
_POLLS_EVERY_S: Final = 1.0
_MISSED_FOR_S: Final = 60.0
"""How long the system may be unavailable while a job is polled: a restart takes seconds."""


class Queued(msgspec.Struct, frozen=True):
    """A question that waits: jobs before it, and the seconds until its answer where they can be estimated."""

    position: int
    expected_s: float | None = None

    @property
    def in_words(self) -> str:
        before = "next in the queue" if not self.position else f"{self.position} before it in the queue"
        return before if self.expected_s is None else f"{before}, about {max(round(self.expected_s), 1)} s"


OnQueued = Callable[[Queued], None]


class NotThereError(DocQAError):
    """Nothing answers at the target."""


class RefusedError(DocQAError):
    """The system refused the question or failed; `document` is its response."""

    def __init__(self, sentence: str, document: Mapping[str, Any]) -> None:
        super().__init__(sentence)
        self.document = document


class RefusedForNowError(RefusedError, TryLaterError):
    """The system refused a question that it may accept later."""


class Client:
    """A connection to one target: a URL, or the path of a Unix socket."""

    def __init__(self, target: str, token: str | None) -> None:
        """Raises DocQAError for a target that is neither."""
        self._target = target
        self._http = transport.client(target, token, _TIMEOUT)

    @classmethod
    def of(cls, target: str | None, settings: UpSettings) -> Self:
        """For `target`, else for the Unix socket that the settings name."""
        return cls(target or str(settings.socket_path), settings.token.reveal() if settings.token else None)

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """The answer, however long it takes; raises NotThereError or RefusedError."""
        with self._translated_errors():
            response = self._http.post("/api/query", json=question, headers={"Prefer": f"wait={_WAIT_S}"})
        document = _document(response)
        if response.status_code == 202:
            document = self._follow(response.headers["Location"])
        if document.get("status") == "failed":
            raise RefusedError(_sentence(document), document)
        return document

    def stream(
        self, question: Mapping[str, Any], on_queued: OnQueued = lambda _: None
    ) -> Iterator[str | dict[str, Any]]:
        """The answer in pieces, RESTART when an attempt begins again, and last the whole result.

        `on_queued` is called while the question waits, whenever its position changes.
        Raises NotThereError or RefusedError.
        """
        received = ""
        with (
            self._translated_errors(),
            self._http.stream("POST", "/api/query", json=question, headers=_AS_EVENTS, timeout=_STREAM_TIMEOUT) as body,
        ):
            if body.is_error:
                body.read()
                _document(body)
            for event in EventSource(body).iter_sse():
                document = event.json()
                match event.event:
                    case "queued":
                        on_queued(msgspec.convert(document, Queued))
                    case "token":
                        received += str(document["text"])
                        yield str(document["text"])
                    case "restart":
                        received = ""
                        yield RESTART
                    case "result" | "error" | "accepted":
                        yield from self._ended(event.event, document, received, on_queued)
                        return

    def _ended(
        self, name: str, document: dict[str, Any], received: str, on_queued: OnQueued
    ) -> Iterator[str | dict[str, Any]]:
        """What of the answer has not come yet, and the result; raises RefusedError for a failure."""
        if name == "accepted":
            document = self._follow(document["location"], on_queued)
        if name == "error" or document.get("status") == "failed":
            raise RefusedError(_sentence(document), document)
        # Pieces are best effort and some may be missing: the result counts.
        answer = str(document["answer"])
        yield answer.removeprefix(received) if answer.startswith(received) else f"\n{answer}"
        yield document

    def call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """One request and the JSON object that it is answered with; `options` as httpx takes them.

        Raises NotThereError, RefusedForNowError (with `retry_after_s` in its document) or RefusedError.
        """
        with self._translated_errors():
            return _document(self._http.request(method, path, **options))

    def content(self, path: str) -> Iterator[bytes]:
        """What is at a path, in pieces; raises NotThereError or RefusedError."""
        with self._translated_errors(), self._http.stream("GET", path) as body:
            if body.is_error:
                body.read()
                _document(body)
            yield from body.iter_bytes()

    def metrics(self) -> str:
        """The ingress's metrics in Prometheus' text format; raises NotThereError."""
        with self._translated_errors():
            return self._http.get("/metrics").text

    def health(self) -> dict[str, Any]:
        """The body of /health, also of an unhealthy system; raises NotThereError."""
        with self._translated_errors():
            return _parsed(self._http.get("/health"))

    def _follow(self, location: str, on_queued: OnQueued = lambda _: None) -> dict[str, Any]:
        """Poll a job until it has ended."""
        pause_s, missed_since = _FIRST_POLL_AFTER_S, None
        while True:
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _POLLS_EVERY_S)
            try:
                with self._translated_errors():
                    document = _document(self._http.get(location))
            except (NotThereError, TryLaterError):
                missed_since = missed_since or time.monotonic()
                if time.monotonic() - missed_since > _MISSED_FOR_S:
                    raise NotThereError(
                        f"The system is unavailable. Your question is stored; its answer will be at {location}."
                    ) from None
                continue
            missed_since = None
            if document.get("status") in ("done", "failed"):
                return document
            if "position" in document:
                on_queued(msgspec.convert(document, Queued))

    @contextlib.contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except httpx.ConnectError:
            raise NotThereError(f"Nothing answers at {self._target}: start it with `docqa up`.") from None
        except httpx.TransportError as error:
            raise NotThereError(
                f"The connection to {self._target} broke ({type(error).__name__}): ask again."
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._http.close()


def _document(response: httpx.Response) -> dict[str, Any]:
    document = _parsed(response)
    if response.status_code in _TRY_LATER:
        retry_after_s = _whole_seconds(response.headers.get("Retry-After", ""))
        raise RefusedForNowError(
            _with_retry(_sentence(document), response), {**document, "retry_after_s": retry_after_s}
        )
    if response.is_error:
        raise RefusedError(_sentence(document), document)
    return document


def _whole_seconds(retry_after: str) -> int:
    """As our ingress says it; what stands in front of it may send a date, or nothing."""
    said = retry_after.strip()
    return int(said) if said.isascii() and said.isdigit() and len(said) < _MOST_DIGITS else 1


def _parsed(response: httpx.Response) -> dict[str, Any]:
    try:
        document = response.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise RefusedError(f"The server there is not Goblin DocQA (status {response.status_code}).", {})
    return document


def _sentence(document: Mapping[str, Any]) -> str:
    return str(document.get("detail") or document.get("title") or "The system refused without a reason.")


def _with_retry(sentence: str, response: httpx.Response) -> str:
    """The sentence, with the Retry-After unless it mentions it already."""
    seconds = response.headers.get("Retry-After")
    return sentence if not seconds or f"{seconds} s" in sentence else f"{sentence} Try again in {seconds} s."
