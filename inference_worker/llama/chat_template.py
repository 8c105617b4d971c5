"""Renders a question, its document and the conversation before it by the model's own chat template.

Knows the template, and the wording of `engines.prompt`; knows nothing of tokens. The template's text and the users'
stay apart, so that only the template's is parsed for control tokens.
"""

import re
import secrets
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import msgspec
from jinja2 import BaseLoader, TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from contract.errors import SettingsError
from contract.messages import Turn
from inference_worker.engines.prompt import DOCUMENT_SYSTEM, GENERAL_SYSTEM, Wording, clean, worded

Frame: TypeAlias = tuple[str, str]
"""What a template writes before and after the user's text."""


class Prompt(msgspec.Struct, frozen=True):
    """`before` and `after` are the template's and may hold control tokens; `user` is plain text.

    The first `document_bytes` of `user` in UTF-8 are the document: prompts on it are alike up to there.
    `earlier` comes before `before`: of each turn what the template writes, then what was said.
    """

    before: str
    user: str
    after: str
    document_bytes: int = 0
    earlier: tuple[Frame, ...] = ()


class PromptTemplate:
    """A model's chat template, rendered once at the start, and for each query only where it writes the date.

    Templates take a message's content as a text or as a list of parts, and some have no system role: the first form
    that writes both the system's text and the user's is used.
    """

    def __init__(self, source: str, bos_token: str = "", eos_token: str = "") -> None:
        """`source` is the GGUF's `tokenizer.chat_template`; raises SettingsError when it can't be used."""
        try:
            self._template = _environment().from_string(source)
            self._tokens = {"bos_token": bos_token, "eos_token": eos_token}
            self._asked_for_date = False
            self._frames = self._render_frames()
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise SettingsError(f"MODEL_NAME: the model's chat template can't be used: {error}.") from None

    def render(self, query: str, context: str = "", turns: Sequence[Turn] = ()) -> Prompt:
        """System, earlier turns, document, question: queries on one document, or in one conversation, begin alike."""
        wording = worded(query, context)
        if turns:
            return self._conversation(wording, [Turn(turn.role, clean(turn.content)) for turn in turns])
        if self._asked_for_date:
            self._frames = self._render_frames()
        before, after = self._frames[0 if wording.document_bytes else 1]
        return Prompt(before, wording.user, after, wording.document_bytes)

    def shared_prefixes(self) -> list[str]:
        """The beginnings that prompts of all owners share: with a document, and without one."""
        return [before for before, _ in self._frames]

    def _conversation(self, wording: Wording, turns: list[Turn]) -> Prompt:
        """Each text is rendered as a random word, so that none of them meets the template."""
        said = [*turns, Turn("user", wording.user)]
        word = secrets.token_hex(16)
        marks = re.compile(rf"{word}x([0-9]+)x")
        marked = [Turn(turn.role, f"{word}x{number}x") for number, turn in enumerate(said)]
        for messages in _conversation_forms(_with_system(marked, wording)):
            try:
                parts = marks.split(self._write(messages))
            except (TemplateError, TypeError):
                continue
            if parts[1::2] == [str(number) for number in range(len(said))]:
                texts = [said[int(number)].content for number in parts[1::2]]
                *earlier, (before, user) = zip(parts[:-1:2], texts, strict=True)
                return Prompt(before, user, parts[-1], wording.document_bytes, tuple(earlier))
        return self._as_one_message(wording, turns)

    def _as_one_message(self, wording: Wording, turns: list[Turn]) -> Prompt:
        """For templates that take no conversation: what was said before, then the question, in one message."""
        before, after = self._frames[0 if wording.document_bytes else 1]
        earlier = "".join(f"{turn.role}: {turn.content}\n\n" for turn in turns)
        return Prompt(before, earlier + wording.user, after)

    def _render_frames(self) -> list[Frame]:
        return [self._frame(DOCUMENT_SYSTEM), self._frame(GENERAL_SYSTEM)]

    def _frame(self, system: str) -> Frame:
        """The template's text before and after the user's, for which a random word is rendered."""
        word, error = secrets.token_hex(16), ""
        for messages in _forms(system, word):
            try:
                parts = self._write(messages).split(word)
            except (TemplateError, TypeError) as raised:
                error = error or str(raised)
                continue
            if len(parts) == 2 and system in parts[0] and "'type': 'text'" not in parts[0]:
                return parts[0], parts[1]
            error = error or f"it writes the user's message {len(parts) - 1} times"
        raise ValueError(error)

    def _write(self, messages: list[dict[str, Any]]) -> str:
        return self._template.render(
            messages=messages,
            add_generation_prompt=True,
            enable_thinking=False,
            # Transformers passes these as None, and templates ask whether they are.
            tools=None,
            documents=None,
            strftime_now=self._now,
            **self._tokens,
        )

    def _now(self, form: str) -> str:
        self._asked_for_date = True
        return datetime.now().astimezone().strftime(form)


def _forms(system: str, user: str) -> Iterator[list[dict[str, Any]]]:
    """The messages in the forms that templates take, the usual ones first."""
    for is_parts in (False, True):

        def message(role: str, text: str, is_parts: bool = is_parts) -> dict[str, Any]:
            return {"role": role, "content": [{"type": "text", "text": text}] if is_parts else text}

        yield [message("system", system), message("user", user)]
        # Some models know no system role (Gemma refuses it): then it is in the user's message.
        yield [message("user", f"{system}\n\n{user}")]


def _with_system(turns: list[Turn], wording: Wording) -> list[Turn]:
    """The turns with the worker's own system message: before a client's where there is a document, else only for one
    who sends none."""
    if turns[0].role != "system":
        return [Turn("system", wording.system), *turns]
    if not wording.document_bytes:
        return turns
    return [Turn("system", f"{wording.system}\n\n{turns[0].content}"), *turns[1:]]


def _conversation_forms(turns: list[Turn]) -> Iterator[list[dict[str, Any]]]:
    """As sent, then as strict templates want it: no system role, user and assistant in turns, the user first."""
    for is_parts in (False, True):
        for form in (turns, _alternating(turns)):
            yield [
                {"role": one.role, "content": [{"type": "text", "text": one.content}] if is_parts else one.content}
                for one in form
            ]


def _alternating(turns: list[Turn]) -> list[Turn]:
    found: list[Turn] = []
    for turn in turns:
        role = "user" if turn.role == "system" else turn.role
        if found and found[-1].role == role:
            found[-1] = Turn(role, f"{found[-1].content}\n\n{turn.content}")
        else:
            found.append(Turn(role, turn.content))
    return found


class _GenerationTag(Extension):
    """Accepts `{% generation %}`, which marks the assistant's part for training."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        parser.stream.skip(1)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _environment() -> ImmutableSandboxedEnvironment:
    """Jinja set up as Transformers does it for chat templates."""
    environment = ImmutableSandboxedEnvironment(
        loader=BaseLoader(),
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[_GenerationTag, loopcontrols],
        autoescape=False,  # a prompt is not HTML
    )
    environment.globals["raise_exception"] = _refuse
    return environment


def _refuse(message: str) -> Any:
    raise TemplateError(message)
