"""A request to /v1/responses, as the chat that it is here. Text alone; nothing of a conversation is stored."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from contract.messages import MAX_TURNS
from ingress.api.openai.chat_request import ChatRequest, Message, Part, decode_fields
from ingress.api.openai.errors import invalid, unsupported


class Item(msgspec.Struct, frozen=True):
    """One item of the input; messages alone are taken."""

    type: str = "message"
    role: str = ""
    content: str | list[Part] | None = None


class TextFormat(msgspec.Struct, frozen=True):
    """The form of the answer; of the type `json_schema` with its schema beside."""

    type: str = "text"
    name: str = ""
    schema: dict[str, Any] | None = None


class TextOptions(msgspec.Struct, frozen=True):
    """How the text is written."""

    format: TextFormat | None = None


class ResponsesRequest(msgspec.Struct, kw_only=True, frozen=True):
    """The fields that are read; others are passed over, and null is as if a field were not there."""

    model: Annotated[str, Meta(min_length=1, max_length=300)]
    input: str | Annotated[list[Item], Meta(min_length=1, max_length=MAX_TURNS)]
    instructions: str = ""
    max_output_tokens: Annotated[int, Meta(ge=1)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    stream: bool = False
    text: TextOptions | None = None
    tools: list[Any] = []
    tool_choice: Any = None
    previous_response_id: str | None = None
    background: bool = False
    documents: Any = None
    space: Any = None
    path: Any = None
    context: Any = None
    style: Any = None
    deadline_s: Any = None


_SAME = ("model", "temperature", "top_p", "tools", "tool_choice", "documents", "space", "path", "context", "style",
         "deadline_s", "stream")  # fmt: skip


def chat_of(wanted: ResponsesRequest) -> ChatRequest:
    """The same as a chat; raises Problem for what needs something stored."""
    if wanted.previous_response_id:
        message = "Responses are not stored: send the conversation as `input`."
        raise unsupported("previous_response_id", message)
    if wanted.background:
        raise unsupported("background", "Send no `background`; POST /api/query with `Prefer: respond-async` has it.")
    fields: dict[str, Any] = {name: value for name in _SAME if (value := getattr(wanted, name)) is not None}
    if wanted.max_output_tokens:
        fields["max_completion_tokens"] = wanted.max_output_tokens
    if form := _form(wanted):
        fields["response_format"] = form
    fields["messages"] = [msgspec.to_builtins(message) for message in _messages(wanted)]
    return decode_fields(fields, ChatRequest)


def _messages(wanted: ResponsesRequest) -> list[Message]:
    own = [Message("system", wanted.instructions)] if wanted.instructions else []
    if isinstance(wanted.input, str):
        return [*own, Message("user", wanted.input)]
    for number, item in enumerate(wanted.input):
        if item.type != "message":
            place = f"input[{number}].type"
            text = f"Field `{place}`: {item.type[:40]!r} can't be read here: send messages."
            raise invalid(text, place, "unsupported_content")
    return [*own, *(Message(item.role, item.content) for item in wanted.input)]


def _form(wanted: ResponsesRequest) -> dict[str, Any] | None:
    form = wanted.text.format if wanted.text else None
    if form is None or form.type == "text":
        return None
    if form.type == "json_schema":
        return {"type": form.type, "json_schema": {"name": form.name, "schema": form.schema or {}}}
    return {"type": form.type}
