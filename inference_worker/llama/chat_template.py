"""Renders a question and its document by the model's own chat template.

Knows the template, and the wording of `engines.prompt`; knows nothing of tokens. The template's text and the user's
stay apart, so that only the template's is parsed for control tokens.
"""

import secrets
from collections.abc import Iterator
from datetime import datetime
from typing import Any, TypeAlias

import msgspec
from jinja2 import BaseLoader, TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from contract.errors import SettingsError
from inference_worker.engines.prompt import DOCUMENT_SYSTEM, GENERAL_SYSTEM, worded

Frame: TypeAlias = tuple[str, str]
"""What a template writes before and after the user's text."""


class Prompt(msgspec.Struct, frozen=True):
    """`before` and `after` are the template's and may hold control tokens; `user` is plain text.

    The first `document_bytes` of `user` in UTF-8 are the document: prompts on it are alike up to there.
    """

    before: str
    user: str
    after: str
    document_bytes: int = 0


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

    def render(self, query: str, context: str = "") -> Prompt:
        """System, then document, then question: queries on one document begin alike."""
        wording = worded(query, context)
        if self._asked_for_date:
            self._frames = self._render_frames()
        before, after = self._frames[0 if wording.document_bytes else 1]
        return Prompt(before, wording.user, after, wording.document_bytes)

    def shared_prefixes(self) -> list[str]:
        """The beginnings that prompts of all owners share: with a document, and without one."""
        return [before for before, _ in self._frames]

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
