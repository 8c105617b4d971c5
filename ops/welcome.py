"""What `docqa up` says once all is ready: where to ask, with lines that work when pasted."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from ops.settings import UpSettings

_QUESTION: Final = {
    "query": "How much notice must the tenant give?",
    "context": "The tenant may end this lease at any time by giving two months notice in writing.",
}
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # asked about, not listened on


def text(found: Mapping[str, Any], settings: UpSettings, worker: Mapping[str, Any]) -> str:
    """The lines for a user who sees this for the first time."""
    return "\n".join(
        [
            f"Goblin DocQA answers at {found['http']} and on {found['uds']}",
            f"Model {worker['model']}, {worker['slots']} at a time, a queue of {settings.max_queue_size}.",
            *([worker["hint"]] if worker.get("hint") else []),
            "",
            "Ask over TCP:",
            _curl(f"{_reachable(found['http'])}/api/query", settings),
            "",
            "Ask over the Unix socket:",
            _curl("http://docqa/api/query", settings, "--unix-socket", found["uds"]),
            "",
            f"Logs: {Path(found['data_dir']) / 'logs'}. Ctrl-C finishes the running jobs and stops.",
        ]
    )


def _curl(url: str, settings: UpSettings, *options: str) -> str:
    words = ["curl", "-sS", *options, url, "-H", "Content-Type: application/json"]
    # The shell puts the token in: it is not shown here.
    token = ' -H "Authorization: Bearer $DOCQA_TOKEN"' if settings.token else ""
    return f"  {shlex.join(words)}{token} -d {shlex.quote(json.dumps(_QUESTION))}"


def _reachable(url: str) -> str:
    """Who listens everywhere is asked on the loopback."""
    parts = urlsplit(url)
    host = _EVERYWHERE.get(parts.hostname or "", "")
    return f"http://{host}:{parts.port}" if host else url
