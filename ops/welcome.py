"""The text that `docqa up` prints when the system is ready: its addresses, with commands that can be pasted."""

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from ops.settings import UpSettings

_QUESTION: Final = {
    "query": "How much notice must the tenant give?",
    "context": "The tenant may end this lease at any time by giving two months notice in writing.",
}
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # to connect to, not to listen on


def text(found: Mapping[str, Any], settings: UpSettings, worker: Mapping[str, Any]) -> str:
    """The lines for a first-time user."""
    return "\n".join(
        [
            f"Goblin DocQA answers at {found['http']} and on {found['uds']}",
            f"Model {worker['model']}, {worker['slots']} at a time, a queue of {settings.queue_size}.",
            *([worker["hint"]] if worker.get("hint") else []),
            f"The page: {_reachable(found['http'])}/",
            "",
            "Ask about a file (PDF, DOCX, HTML, text, …) from another terminal:",
            _ask(found["uds"]),
            "",
            "Ask over TCP:",
            _curl(f"{_reachable(found['http'])}/api/query", settings),
            "",
            "Ask over the Unix socket:",
            _curl("http://docqa/api/query", settings, "--unix-socket", found["uds"]),
            "",
            "Use it from any client of OpenAI's API (docs/use-it-from.md):",
            f"  OPENAI_BASE_URL={_reachable(found['http'])}/v1 OPENAI_API_KEY={_key(settings)}",
            "",
            f"Logs: {Path(found['data_dir']) / 'logs'}. Ctrl-C finishes the running jobs and stops.",
        ]
    )


def _ask(socket: str) -> str:
    """The command as it was called here: it may not be on PATH."""
    target = [] if Path(socket) == UpSettings().socket_path else ["--target", socket]
    return f"  {shlex.join([*_command(), 'ask', 'What is this about?', *target, '--document'])} FILE"


def _command() -> list[str]:
    """What starts `docqa` again: as a module it has no file of its own to call."""
    return [sys.executable, "-m", "ops"] if Path(sys.argv[0]).name == "__main__.py" else [sys.argv[0]]


def _curl(url: str, settings: UpSettings, *options: str) -> str:
    words = ["curl", "-sS", *options, url, "-H", "Content-Type: application/json"]
    # The shell fills the token in, so that it is not shown.
    token = ' -H "Authorization: Bearer $DOCQA_TOKEN"' if settings.token else ""
    return f"  {shlex.join(words)}{token} -d {shlex.quote(json.dumps(_QUESTION))}"


def _key(settings: UpSettings) -> str:
    """What the shell fills in, a word for a token that only its owner knows, or any word where none is needed."""
    if settings.token:
        return "$DOCQA_TOKEN"
    return "YOUR_TOKEN" if settings.tokens else "none"


def _reachable(url: str) -> str:
    """The URL to connect to: a server that listens on all addresses is reached on the loopback address."""
    parts = urlsplit(url)
    host = _EVERYWHERE.get(parts.hostname or "", "")
    return f"http://{host}:{parts.port}" if host else url
