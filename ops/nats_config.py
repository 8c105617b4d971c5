"""The embedded nats-server's configuration: where it listens and stores, and who may say what on the bus.

Knows each role's rights; the passwords and the process are others' concern. The file is JSON, which
nats-server reads as its own format.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from contract import topology

PAYLOAD_MARGIN_BYTES: Final = 128 * 1024
"""Above the stream's own bound, so that the stream says what is too large, and results have room."""

_MAX_FILE_STORE_BYTES: Final = 2**40
"""Each stream has a bound of its own. A tight one here could keep a stream from coming back after a restart."""
_MAX_MEMORY_STORE_BYTES: Final = 2**26

_JOBS = topology.JOBS_STREAM
_DURABLE = topology.WORKER_DURABLE
_RESULTS = topology.RESULTS_BUCKET
_STARTS = topology.STARTS_BUCKET
_HTTP = topology.HTTP_PUBLISHER

_INGRESS: Final = {
    "publish": [
        f"docqa.jobs.{_HTTP}.>",
        f"docqa.cancel.{_HTTP}.>",
        topology.ROLL_CALL_SUBJECT,
        # A cancel, a hang-up and a deadline are failures that the ingress itself stores.
        f"$KV.{_RESULTS}.{_HTTP}.>",
        f"$JS.API.STREAM.INFO.{_JOBS}",
        f"$JS.API.STREAM.INFO.KV_{_RESULTS}",
        f"$JS.API.CONSUMER.INFO.{_JOBS}.{_DURABLE}",
        f"$JS.API.DIRECT.GET.{_JOBS}.docqa.jobs.{_HTTP}.>",
        f"$JS.API.DIRECT.GET.KV_{_RESULTS}.$KV.{_RESULTS}.{_HTTP}.>",
    ],
    "subscribe": [
        "_INBOX_ingress.>",
        topology.results_subjects(_HTTP),
        topology.tokens_subjects(_HTTP),
        topology.WORKER_SUBJECTS,
    ],
}
_WORKER: Final = {
    "publish": [
        "docqa.results.>",
        "docqa.tokens.>",
        topology.DEAD_SUBJECTS,
        topology.WORKER_SUBJECTS,
        f"$KV.{_RESULTS}.>",
        f"$KV.{_STARTS}.>",
        f"$JS.API.CONSUMER.MSG.NEXT.{_JOBS}.{_DURABLE}",
        f"$JS.API.CONSUMER.INFO.{_JOBS}.{_DURABLE}",
        f"$JS.ACK.{_JOBS}.{_DURABLE}.>",
        f"$JS.ACK.*.*.{_JOBS}.{_DURABLE}.>",
        f"$JS.API.STREAM.INFO.{_JOBS}",
        f"$JS.API.STREAM.INFO.KV_{_RESULTS}",
        f"$JS.API.STREAM.INFO.KV_{_STARTS}",
        f"$JS.API.DIRECT.GET.KV_{_RESULTS}.>",
        f"$JS.API.DIRECT.GET.KV_{_STARTS}.>",
        f"$JS.API.STREAM.MSG.DELETE.KV_{_STARTS}",
    ],
    "subscribe": ["_INBOX_worker.>", topology.CANCEL_SUBJECTS, topology.ROLL_CALL_SUBJECT],
}
_RIGHTS: Final[dict[str, dict[str, list[str]]]] = {
    "admin": {"publish": [">"], "subscribe": [">"]},
    "ingress": _INGRESS,
    "worker": _WORKER,
}


def render(*, folder: Path, port: int, passwords: Mapping[str, str], max_request_size_mb: int) -> str:
    """The configuration's text. Port -1 lets the server pick one and tell it in its ports file."""
    config: dict[str, Any] = {
        "server_name": "docqa",
        "listen": f"127.0.0.1:{port}",
        "http": "127.0.0.1:-1",
        "ports_file_dir": str(folder),
        "max_payload": max_request_size_mb * 2**20 + PAYLOAD_MARGIN_BYTES,
        "jetstream": {
            "store_dir": str(folder / "store"),
            # The default fsyncs every two minutes and loses acknowledged jobs on a power cut.
            "sync_interval": "always",
            "max_file_store": _MAX_FILE_STORE_BYTES,
            "max_memory_store": _MAX_MEMORY_STORE_BYTES,
        },
        # An account of its own for the server's own traffic: nobody has a user in it.
        "system_account": "SYS",
        "accounts": {"SYS": {}, topology.ACCOUNT: {"jetstream": "enabled", "users": _users(passwords)}},
    }
    return json.dumps(config, indent=2) + "\n"


def _users(passwords: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"user": role, "password": passwords[role], "permissions": rights} for role, rights in _RIGHTS.items()]
