"""A chat as its client sends it, and the question that it is here. Knows OpenAI's fields; knows no job."""

from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from contract import lenient
from contract.errors import BadMessageError
from contract.messages import MAX_STOP_CHARS, MAX_TURNS, Question
from ingress.api.openai.errors import invalid, unsupported
from ingress.api.openai.sources import without_sources

T = TypeVar("T", bound=msgspec.Struct)

DEFAULT_MAX_TOKENS: Final = 512
"""Of an answer whose client names no length: most chats name none."""
_MOST_TOKENS: Final = 32_768
_LEAST_TOP_P: Final = 1e-3
_MAX_STOPS: Final = 8
_ROLES: Final = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_TEXT_PARTS: Final = frozenset({"text", "input_text", "output_text"})


class Part(msgspec.Struct, frozen=True):
    """One part of a message's content."""

    type: str
    text: str = ""


class Message(msgspec.Struct, frozen=True):
    """One message."""

    role: str
    content: str | list[Part] | None = None


class StreamOptions(msgspec.Struct, frozen=True):
    """How a stream is sent."""

    include_usage: bool | None = None


class ChatRequest(msgspec.Struct, kw_only=True, frozen=True):
    """The fields that are read; others are passed over, and null is as if a field were not there."""

    model: Annotated[str, Meta(min_length=1, max_length=300)]
    messages: Annotated[list[Message], Meta(min_length=1, max_length=MAX_TURNS)]
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    seed: int | None = None
    stop: Annotated[list[str], Meta(max_length=_MAX_STOPS)] = []
    n: int = 1
    stream: bool = False
    stream_options: StreamOptions | None = None
    response_format: Any = None
    logprobs: bool = False
    tools: list[Any] = []
    tool_choice: Any = None
    functions: list[Any] = []
    modalities: list[str] = []
    documents: Any = None
    space: Any = None
    path: Any = None
    context: Any = None
    style: Any = None
    deadline_s: Any = None

    @property
    def includes_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)


_any_decoder = msgspec.json.Decoder()


def decode(body: bytes, kind: type[T]) -> T:
    """The body as `kind`; raises BadMessageError with a sentence that names the field."""
    try:
        fields = _any_decoder.decode(body.removeprefix(lenient.BYTE_ORDER_MARK))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadMessageError("The body is not JSON that can be read.") from None
    if not isinstance(fields, dict):
        raise BadMessageError("The body is not a JSON object.")
    return decode_fields(fields, kind)


def decode_fields(fields: dict[str, Any], kind: type[T]) -> T:
    """The fields as `kind`; raises BadMessageError with a sentence that names the field."""
    try:
        return msgspec.convert(lenient.normalized(fields), kind)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at `$.")
        if not place:
            raise BadMessageError(f"{what}.") from None
        raise BadMessageError(f"Field `{place.rstrip('`')}`: {what[0].lower()}{what[1:]}.") from None


def question_of(chat: ChatRequest, space: str | None) -> Question:
    """What is asked; `space` is the one that the model's name stands for. Raises Problem or BadMessageError."""
    refuse_unsupported(chat)
    *earlier, (role, query) = _turns(chat.messages)
    if role == "assistant":
        raise invalid("Field `messages`: the last message must be the user's.", "messages")
    if not query.strip():
        raise invalid("Field `messages`: the last message is blank.", "messages")
    fields: dict[str, Any] = {
        "query": query,
        "max_tokens": min(chat.max_completion_tokens or chat.max_tokens or DEFAULT_MAX_TOKENS, _MOST_TOKENS),
        "temperature": chat.temperature or 0.0,
        "top_p": 1.0 if chat.top_p is None else max(chat.top_p, _LEAST_TOP_P),
        "seed": None if chat.seed is None else chat.seed % 2**32,
        "stop": [stop[:MAX_STOP_CHARS] for stop in chat.stop if stop],
        **({"messages": [{"role": said, "content": text} for said, text in earlier]} if earlier else {}),
        **_source(chat, space),
        **_given(chat, "style", "deadline_s", "response_format"),
    }
    if chat.top_p == 0:
        fields["temperature"] = 0.0
    return _question(fields)


def refuse_unsupported(chat: ChatRequest) -> None:
    """Raise Problem for what would silently be missing from the answer."""
    if (chat.tools or chat.functions) and chat.tool_choice != "none":
        message = (
            'Tools are not offered: leave `tools` out, or send `tool_choice: "none"`; '
            "`response_format` gives an answer the form of a schema."
        )
        raise unsupported("tools", message)
    if chat.n != 1:
        raise unsupported("n", "One answer a request is offered: send `n: 1`, or ask again.")
    if chat.logprobs:
        raise unsupported("logprobs", "Probabilities of tokens are not offered: leave `logprobs` out.")
    if set(chat.modalities) - {"text"}:
        raise unsupported("modalities", "Answers are texts: leave `modalities` out.")


def text_of(content: str | list[Part] | None, place: str) -> str:
    """A content's text; raises Problem for an image, a sound or a file in it."""
    if content is None or isinstance(content, str):
        return content or ""
    for number, part in enumerate(content):
        if part.type not in _TEXT_PARTS:
            kind = "an image" if "image" in part.type else f"a part of type {part.type[:40]!r}"
            message = f"Field `{place}[{number}]`: {kind} can't be read here: send texts, or upload it as a document."
            raise invalid(message, f"{place}[{number}].type", "unsupported_content")
    return "\n".join(part.text for part in content)


def _turns(messages: list[Message]) -> list[tuple[Any, str]]:
    """Role and text of each message. One who sends a system message alone asks with it."""
    turns = []
    for number, message in enumerate(messages):
        if message.role not in _ROLES:
            text = f"Field `messages[{number}].role`: expected system, user or assistant; tools are not offered."
            raise invalid(text, f"messages[{number}].role", "unsupported_parameter")
        role, text = _ROLES[message.role], text_of(message.content, f"messages[{number}].content")
        turns.append((role, without_sources(text) if role == "assistant" else text))
    if turns[-1][0] == "system":
        turns[-1] = ("user", turns[-1][1])
    return turns


def _source(chat: ChatRequest, space: str | None) -> dict[str, Any]:
    """What the answer is to be found in: named by a field, else by the model."""
    given = _given(chat, "documents", "space", "path", "context")
    return given or ({"space": space} if space else {})


def _given(chat: ChatRequest, *names: str) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(chat, name)) is not None}


def _question(fields: dict[str, Any]) -> Question:
    try:
        return msgspec.convert(fields, Question)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at `$.")
        named = f"Field `{place.rstrip('`')}`: {what[0].lower()}{what[1:]}." if place else f"{what}."
        raise BadMessageError(named) from None
