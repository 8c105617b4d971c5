"""Puts a question and its document into the model's own chat template.

Knows the template, and the words from `wording`; knows nothing of tokens. What comes from the template and what
comes from the user stay apart, so that only the template's text is read for control tokens.
"""

import secrets
from datetime import datetime
from typing import Any

import msgspec
from jinja2 import BaseLoader, TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from contract.errors import SettingsError
from inference_worker.engines.prompt import DOCUMENT_SYSTEM, GENERAL_SYSTEM, worded


class Prompt(msgspec.Struct, frozen=True):
    """`before` and `after` are the template's and may hold control tokens; `user` is plain text.

    The first `document_bytes` of `user` in UTF-8 are the document: questions on it begin alike up to there.
    """

    before: str
    user: str
    after: str
    document_bytes: int = 0


class PromptTemplate:
    """A model's chat template, rendered once at the start: only the user's text differs between queries."""

    def __init__(self, source: str, bos_token: str = "", eos_token: str = "") -> None:
        """`source` is the GGUF's `tokenizer.chat_template`; raises SettingsError when it can't be used."""
        try:
            self._template = _environment().from_string(source)
            self._tokens = {"bos_token": bos_token, "eos_token": eos_token}
            self._document_frame = self._frame(DOCUMENT_SYSTEM)
            self._general_frame = self._frame(GENERAL_SYSTEM)
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise SettingsError(f"MODEL_NAME: the model's chat template can't be used: {error}.") from None

    def render(self, query: str, context: str = "") -> Prompt:
        """System, then document, then question: queries on one document begin alike."""
        wording = worded(query, context)
        frame = self._document_frame if wording.document_bytes else self._general_frame
        return Prompt(frame[0], wording.user, frame[1], wording.document_bytes)

    def openings(self) -> list[str]:
        """What prompts begin with, whoever asks: with a document, and without one."""
        return [self._document_frame[0], self._general_frame[0]]

    def _frame(self, system: str) -> tuple[str, str]:
        """What the template writes before and after the user's text.

        A random word stands in for that text, which never meets the template.
        """
        word = secrets.token_hex(16)
        parts = self._render_around(system, word).split(word)
        if len(parts) != 2:
            raise ValueError(f"it writes the user's message {len(parts) - 1} times")
        return parts[0], parts[1]

    def _render_around(self, system: str, word: str) -> str:
        user = {"role": "user", "content": word}
        try:
            text = self._write([{"role": "system", "content": system}, user])
        except TemplateError:
            text = ""
        if system in text:
            return text
        # Some models know no system role (Gemma refuses it): the user says it then.
        return self._write([user | {"content": f"{system}\n\n{word}"}])

    def _write(self, messages: list[dict[str, str]]) -> str:
        return self._template.render(
            messages=messages, add_generation_prompt=True, enable_thinking=False, **self._tokens
        )


class _GenerationTag(Extension):
    """Lets `{% generation %}` pass, which marks the assistant's part for training."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        parser.stream.skip(1)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _environment() -> ImmutableSandboxedEnvironment:
    """Jinja as Transformers sets it up for chat templates."""
    environment = ImmutableSandboxedEnvironment(
        loader=BaseLoader(),
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[_GenerationTag, loopcontrols],
        autoescape=False,  # a prompt is not HTML
    )
    environment.globals |= {"raise_exception": _refuse, "strftime_now": _now}
    return environment


def _refuse(message: str) -> Any:
    raise TemplateError(message)


def _now(form: str) -> str:
    return datetime.now().astimezone().strftime(form)
