"""The messages on the bus and over HTTP, as Structs with one typed decoder each.

Limits are declared on the fields, so that the ingress, the worker and the published schemas share them.
"""

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeVar, get_args

import msgspec
from msgspec import UNSET, Meta, UnsetType

from contract import lenient
from contract.answer_schema import answer_schema
from contract.errors import BadMessageError, NewerVersionError, UnreadableResultError

T = TypeVar("T")

VERSION: Final = 1
"""Of every message that asks for nothing new, so that an older reader takes it."""
NEWEST_VERSION: Final = 2
"""The newest version that this code reads: queries with a style, documents of the library, turns, or a form."""

Tokens = Annotated[int, Meta(ge=1, le=32_768)]
MAX_STOP_CHARS: Final = 256
StopString = Annotated[str, Meta(min_length=1, max_length=MAX_STOP_CHARS)]
FinishReason = Literal["stop", "length"]
Style = Literal["auto", "write", "quote"]
AnswerFrom = Literal["model", "quote", "both"]
MAX_CITATIONS: Final = 8
MAX_QUOTE_CHARS: Final = 1000
Backend = Literal["local", "proxy", "cache"]
MAX_TURNS: Final = 500


DocumentId = Annotated[str, Meta(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
_SOURCES: Final = ("context", "documents", "space", "path")
_NEW_FIELDS: Final = ("style", "documents", "space", "path", "job_class", "messages", "response_format")
"""Of version 2."""


@contextlib.contextmanager
def _as_value_errors() -> Iterator[None]:
    """msgspec names the place of a ValueError that a Struct raises while it is made."""
    try:
        yield
    except BadMessageError as error:
        raise ValueError(str(error)) from None


def _open(*values: str) -> Meta:
    """Describes an enumeration that may grow: a reader carries on values that a newer version added."""
    return Meta(description=f"{', '.join(values)}; newer versions may add others.", examples=list(values))


class Turn(msgspec.Struct, frozen=True):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class NamedSchema(msgspec.Struct, frozen=True):
    """A JSON schema; of it, `contract.answer_schema` keeps what an answer can be held to."""

    schema: dict[str, Any]
    name: Annotated[str, Meta(max_length=64)] = ""


class ResponseFormat(msgspec.Struct, frozen=True, omit_defaults=True):
    """The form of an answer; `json_schema` is given for the type of this name alone."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: NamedSchema | UnsetType = UNSET

    def __post_init__(self) -> None:
        if (self.type == "json_schema") != (self.json_schema is not UNSET):
            raise ValueError("Give `json_schema` with the type `json_schema`, and only then")

    @property
    def schema(self) -> dict[str, Any] | None:
        """The schema of the answer, `{}` for any JSON object; None for a text. Raises BadMessageError."""
        if self.json_schema is UNSET:
            return {} if self.type == "json_object" else None
        return answer_schema(self.json_schema.schema)


class Question(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A client's request: a question, the document to answer it from, and how to generate the answer."""

    query: Annotated[str, Meta(min_length=1, description="The question.")]
    context: Annotated[str, Meta(description="The document to answer from.")] = ""
    max_tokens: Annotated[Tokens, Meta(description="The longest answer, in tokens.")] = 128
    temperature: Annotated[float, Meta(ge=0, le=2, description="0 takes the likeliest token.")] = 0.0
    top_p: Annotated[float, Meta(gt=0, le=1, description="Sample from this share of probability.")] = 1.0
    seed: (
        Annotated[
            int,
            Meta(
                ge=0,
                le=2**32 - 1,
                description="Repeats the random draws. Answers still differ now and then: what runs beside a question, "
                "and how long its steps take, changes the last digits of its numbers.",
            ),
        ]
        | None
    ) = None
    stop: Annotated[list[StopString], Meta(max_length=8, description="Texts that end the answer.")] = []
    deadline_s: (
        Annotated[float, Meta(gt=0, le=86_400, description="Seconds after which no answer is wanted.")] | None
    ) = None
    style: (
        Annotated[
            Style,
            Meta(
                description="`write`: the model's own words; `quote`: the sentences of the document that answer, "
                "without the model; `auto`: what was measured to be right more often for this model."
            ),
        ]
        | UnsetType
    ) = UNSET
    documents: Annotated[list[DocumentId], Meta(min_length=1, max_length=100)] | UnsetType = UNSET
    space: (
        Annotated[str, Meta(min_length=1, max_length=130, description="Answer from a space's documents.")] | UnsetType
    ) = UNSET
    path: (
        Annotated[str, Meta(min_length=1, max_length=1024, description="A file or folder of DOCQA_ROOT.")] | UnsetType
    ) = UNSET
    job_class: (
        Annotated[
            Literal["batch"],
            Meta(description="`batch`: one of many in the background; other questions take their turns first."),
        ]
        | UnsetType
    ) = msgspec.field(default=UNSET, name="class")

    messages: (
        Annotated[
            list[Turn],
            Meta(
                min_length=1,
                max_length=MAX_TURNS,
                description="The conversation before the question, oldest message first.",
            ),
        ]
        | UnsetType
    ) = UNSET
    response_format: ResponseFormat | UnsetType = UNSET

    def __post_init__(self) -> None:
        if not self.query.strip():
            raise ValueError("Field `query` is blank: ask a question")
        named = [name for name in _SOURCES if getattr(self, name)]
        if len(named) > 1:
            raise ValueError(f"Field `{named[1]}` and field `{named[0]}` name two sources: give one of them")
        if self.response_format is not UNSET:
            with _as_value_errors():
                # Read here, so that a schema that can't be used is refused before it is a job.
                _ = self.response_format.schema

    @property
    def turns(self) -> list[Turn]:
        """The conversation before the question; empty without one."""
        return [] if self.messages is UNSET else self.messages

    @property
    def asks_for_json(self) -> bool:
        """Whether the answer must be JSON, to which nothing may be added."""
        return self.response_format is not UNSET and self.response_format.type != "text"

    @property
    def text_bytes(self) -> int:
        """UTF-8 bytes of all that the model reads."""
        return sum(len(text.encode("utf-8", "surrogatepass")) for text in (self.query, self.context, *self._said))

    @property
    def _said(self) -> list[str]:
        return [turn.content for turn in self.turns]


class Query(Question, kw_only=True, forbid_unknown_fields=False, omit_defaults=False):
    """A question on the bus: unknown fields are ignored; a worker gives a newer `v` back to the queue."""

    v: Annotated[int, Meta(ge=1, description="Version of the message.")] = VERSION


def query_of(question: Question) -> Query:
    """The question as it travels; its version is the lowest that can say what is asked."""
    fields = {name: getattr(question, name) for name in Question.__struct_fields__}
    is_new = any(fields[name] is not UNSET for name in _NEW_FIELDS)
    return Query(**fields, v=NEWEST_VERSION if is_new else VERSION)


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one answer; `cached_tokens` of the prompt were already in the cache."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0


class Timings(msgspec.Struct, frozen=True):
    """Milliseconds: waiting in the queue, reading the prompt, generating tokens, in total."""

    queued_ms: float
    prefill_ms: float
    decode_ms: float
    total_ms: float


class Citation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A span of a text that was read: `text[start:end] == quote`, counted in code points of the sanitized text.

    `document`, `version`, `name` and `page` are absent where the text came with the question, as `context`.
    `answer[answer_start:answer_end]` is what it supports, in code points of the answer; both are absent of evidence.
    """

    start: int
    end: int
    quote: Annotated[str, Meta(max_length=MAX_QUOTE_CHARS)]
    score: Annotated[float, Meta(description="The larger, the better; comparable within one answer.")]
    document: str = ""
    version: str = ""
    name: str = ""
    page: int | None = None
    answer_start: Annotated[int, Meta(ge=0, description="Where what it supports begins in the answer.")] | None = None
    answer_end: Annotated[int, Meta(ge=0, description="Where that ends.")] | None = None


FoundEvidence = Annotated[list[Citation], Meta(description="The sentences found for the question, best first.")]
CitedSpans = Annotated[list[Citation], Meta(description="The sentences that the answer rests on.")]
Answerable = Annotated[bool, Meta(description="Whether the document seems to hold the answer.")]
Support = Annotated[float, Meta(ge=0, le=1, description="How likely it is that the document holds the answer.")]


ReadDocuments = Annotated[
    list[str],
    Meta(description="The documents that were read for it, also where it cites none: erased with any of them."),
]


class Grounds(msgspec.Struct, frozen=True, kw_only=True):
    """Where an answer stands in what was read, and how sure that is; nothing of it without a document."""

    answer_from: AnswerFrom = "model"
    citations: CitedSpans = []
    evidence: FoundEvidence = []
    answerable: Answerable | None = None
    support: Support | None = None
    documents: ReadDocuments | UnsetType = UNSET


class Answer(msgspec.Struct, frozen=True, kw_only=True, tag_field="status", tag="done"):
    """A job that ended with an answer."""

    id: str
    answer: str
    finish_reason: Annotated[str, _open(*get_args(FinishReason))]
    model: str
    usage: Usage
    timings: Timings
    backend: Annotated[str, _open(*get_args(Backend))] = "local"
    answer_from: Annotated[str, _open(*get_args(AnswerFrom))] = "model"
    citations: CitedSpans = []
    evidence: FoundEvidence = []
    answerable: Answerable | None = None
    support: Support | None = None
    documents: ReadDocuments | UnsetType = UNSET
    body_sha256: str | UnsetType = UNSET
    cache_key: Annotated[str, Meta(description="Where the proxy's cache keeps the same answer.")] | UnsetType = UNSET


FailureCode = Literal[
    "attempts-exhausted",
    "bad-message",
    "bad-name",
    "budget-exhausted",
    "bad-request",
    "cancelled",
    "deadline-exceeded",
    "document-gone",
    "document-not-ready",
    "engine-error",
    "erased",
    "library-unavailable",
    "prompt-too-long",
    "proxy-error",
    "space-gone",
    "too-many-secrets",
]


TEMPORARY_FAILURES: Final[frozenset[str]] = frozenset(
    {"budget-exhausted", "deadline-exceeded", "document-not-ready", "library-unavailable", "proxy-error"}
)
"""Codes of failures that the same question may not meet again later."""


class Failure(msgspec.Struct, frozen=True, kw_only=True, tag_field="status", tag="failed"):
    """A job that ended without an answer, and why; `dead_letter` says that it can be replayed."""

    id: str
    code: Annotated[str, _open(*get_args(FailureCode))]
    detail: str
    attempts: int = 0
    dead_letter: bool = False
    prompt_tokens: int | UnsetType = UNSET
    limit_tokens: int | UnsetType = UNSET
    cut_chars: int | UnsetType = UNSET
    resets_at: datetime | UnsetType = UNSET
    body_sha256: str | UnsetType = UNSET


Result = Answer | Failure
"""How a job ends; exactly one is stored per job."""


class TokenEvent(msgspec.Struct, frozen=True):
    """A piece of an answer, sent as it is generated. `index` counts from 0 within one attempt."""

    attempt: int
    index: int
    text: str
    evidence: list[Citation] | UnsetType = UNSET
    """The sentences that were found for the question, before the first piece; then `text` is empty."""


class Tuning(msgspec.Struct, frozen=True, kw_only=True):
    """How far a worker's measuring of its model is: see `docqa models tune`."""

    state: str
    """`waiting` for an idle moment, `running`, `done`, `used` (the worker runs what was chosen), or `failed`.

    Readers accept others.
    """
    done: float = 0.0
    """From 0 to 1."""
    form: str = ""
    """What is being tried, then what was chosen: the name of a quantization, or `as-is`."""


class WorkerAnnouncement(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's state, published every few seconds. Rates are averages over its busy time in the last 60 s."""

    id: str
    model: str
    slots: int
    busy: int
    held: int
    jobs_per_s: float
    tokens_per_s: float
    memory_bytes: int
    context_tokens: int
    max_prompt_bytes: int
    pace: Annotated[float, Meta(description="Jobs per second while all slots are busy; expected, then measured.")] = 0.0
    idle_slots: Annotated[int, Meta(description="Slots that have had nothing to do for a moment.")] = 0
    leaving: bool = False
    clock_skew_s: Annotated[float, Meta(description="How far its clock is ahead of the bus's, in seconds.")] = 0.0
    error: Annotated[str, Meta(description="Why it can't store results now; empty while it can.")] = ""
    model_error: Annotated[str, Meta(description="Why its model makes no progress now; empty while it does.")] = ""
    tuning: Tuning | None = None
    """None where the model needs none."""
    confirms_erasures: Annotated[bool, Meta(description="Whether it replies to the library's notices.")] = False


class DeadLetter(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A job that could not be answered: sanitized, with everything a replay needs."""

    v: int = VERSION
    subject: str
    reason: Annotated[str, _open(*get_args(FailureCode))]
    detail: str
    attempts: int
    headers: dict[str, str]
    size_bytes: int
    sha256: str
    query: Query | None = None


class _Versioned(msgspec.Struct):
    v: int = VERSION


_versioned_decoder = msgspec.json.Decoder(_Versioned)
_query_decoder = msgspec.json.Decoder(Query)
_question_decoder = msgspec.json.Decoder(Question)
_result_decoder: msgspec.json.Decoder[Result] = msgspec.json.Decoder(Answer | Failure)
_token_decoder = msgspec.json.Decoder(TokenEvent)
_announcement_decoder = msgspec.json.Decoder(WorkerAnnouncement)
_any_decoder: "msgspec.json.Decoder[Any]" = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()
_LOCATION = re.compile(r"(?P<what>.*) - at `\$\.(?P<field>[^`]*)`", re.DOTALL)


def encode(message: msgspec.Struct) -> bytes:
    return _encoder.encode(message)


def body_hash(body: bytes) -> str:
    """Hexadecimal SHA-256 of a job's body, as carried in its header and its result."""
    return hashlib.sha256(body).hexdigest()


def decode_question(body: bytes) -> Question:
    """Decode what an HTTP client sent; raises BadMessageError with a sentence that names the field."""
    return _decode_as_written(_question_decoder, body, Question)


def decode_query(body: bytes) -> Query:
    """Decode a job's body; raises NewerVersionError before anything else, then BadMessageError."""
    if _decode(_versioned_decoder, body.removeprefix(lenient.BYTE_ORDER_MARK)).v > NEWEST_VERSION:
        raise NewerVersionError
    return _decode_as_written(_query_decoder, body, Query)


def decode_result(body: bytes) -> Result:
    """Decode a stored result; raises UnreadableResultError, since no client sent it."""
    try:
        return _decode(_result_decoder, body)
    except BadMessageError:
        raise UnreadableResultError from None


def decode_token(body: bytes) -> TokenEvent:
    return _decode(_token_decoder, body)


def decode_announcement(body: bytes) -> WorkerAnnouncement:
    return _decode(_announcement_decoder, body)


def _decode_as_written(decoder: "msgspec.json.Decoder[T]", body: bytes, kind: type[T]) -> T:
    """Decode strictly, which is fast, and only where that fails as `contract.lenient` allows."""
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        fields = _decode(_any_decoder, body.removeprefix(lenient.BYTE_ORDER_MARK))
    return _checked(lambda: msgspec.convert(lenient.normalized(fields) if isinstance(fields, dict) else fields, kind))


def _decode(decoder: "msgspec.json.Decoder[T]", body: bytes) -> T:
    return _checked(lambda: decoder.decode(body))


def _checked(decode: Callable[[], T]) -> T:
    """What `decode` returns; raises BadMessageError with a sentence in place of msgspec's errors."""
    try:
        return decode()
    except msgspec.ValidationError as error:
        raise BadMessageError(_sentence(str(error))) from None
    except msgspec.DecodeError as error:
        raise BadMessageError(f"The body is not JSON: {error}.") from None
    except UnicodeDecodeError:
        raise BadMessageError("The body is not JSON: it is not UTF-8.") from None
    except RecursionError:
        raise BadMessageError("The body is not JSON that can be read: it is nested too deeply.") from None


def _sentence(message: str) -> str:
    """Rewrite msgspec's "<what> - at `$.<field>`" with the field first."""
    if location := _LOCATION.fullmatch(message):
        return f"Field `{location['field']}`: {location['what'][0].lower()}{location['what'][1:]}."
    return f"{message}." if message.startswith("Field ") else f"The body: {message[0].lower()}{message[1:]}."
