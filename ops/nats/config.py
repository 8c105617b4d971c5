"""The configuration of the embedded nats-server: its addresses, and where and how it stores.

`accounts` knows who may do what; the passwords and the process are left to others. The file is JSON, which nats-server
reads as its own format.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from ops.nats import accounts as nats_accounts
from ops.nats import encryption as store_key
from ops.nats.endpoint import Endpoint

PAYLOAD_MARGIN_BYTES: Final = 128 * 1024
"""Above the stream's own limit, so that the stream refuses what is too large, and results have room."""

_MAX_FILE_STORE_BYTES: Final = 2**40
"""Each stream has its own limit. A tight one here could keep a stream from loading after a restart."""
_MAX_MEMORY_STORE_BYTES: Final = 2**26
STORE: Final = "store"
"""The folder of the streams, inside the server's folder."""

_REFERENCE: Final = f"${store_key.VARIABLE}"


def render(
    *,
    folder: Path,
    endpoint: Endpoint,
    passwords: Mapping[str, str],
    max_request_size_mb: int,
    publishers: Mapping[str, str] = MappingProxyType({}),
    encryption: Mapping[str, str] = MappingProxyType({}),
    store: Path | None = None,
) -> str:
    """The text of the configuration. Port -1 lets the server pick one, which it writes into its ports file.

    `encryption` comes from `encryption.jetstream`; `store` replaces the usual folder inside `folder`.
    """
    config = {
        "server_name": "docqa",
        "listen": str(endpoint.address),
        "http": str(endpoint.monitor),
        "ports_file_dir": str(folder),
        **storing(store or folder / STORE, max_request_size_mb, encryption),
        **letting_in(passwords, publishers),
    }
    if endpoint.certificate:
        config["tls"] = endpoint.certificate.render()
    return written(config)


def storing(
    folder: Path, max_request_size_mb: int, encryption: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Any]:
    """Where a server stores, and its size limits."""
    return {
        "max_payload": max_request_size_mb * 2**20 + PAYLOAD_MARGIN_BYTES,
        "jetstream": {
            "store_dir": str(folder),
            # The default syncs every two minutes and would lose acknowledged jobs in a power cut.
            "sync_interval": "always",
            "max_file_store": _MAX_FILE_STORE_BYTES,
            "max_memory_store": _MAX_MEMORY_STORE_BYTES,
            **encryption,
        },
    }


def letting_in(passwords: Mapping[str, str], publishers: Mapping[str, str]) -> dict[str, Any]:
    """The accounts and their permissions."""
    return {"system_account": nats_accounts.SYSTEM, "accounts": nats_accounts.render(passwords, publishers)}


def with_accounts(text: str, accounts: Mapping[str, Any]) -> str:
    """The same configuration with other accounts: the only change that a running server is asked to load."""
    return written({**read(text), "accounts": accounts})


def read(text: str) -> dict[str, Any]:
    """Parse what `render` wrote."""
    text = _ESCAPE.sub(_in_json, text).replace(_REFERENCE, json.dumps(_REFERENCE))
    found: dict[str, Any] = json.loads(text)
    return found


def written(config: Mapping[str, Any]) -> str:
    """The configuration as text."""
    # nats-server takes letters beyond ASCII, as in a path, as they are, and knows none of JSON's escapes for them.
    text = _ESCAPE.sub(_in_nats, json.dumps(config, indent=2, ensure_ascii=False))
    # A variable that nats-server reads from its environment is written without quotes, unlike JSON.
    return text.replace(json.dumps(_REFERENCE), _REFERENCE) + "\n"


def to_bytes(text: str) -> bytes:
    """The content of the file; paths may hold bytes that are not UTF-8."""
    return text.encode("utf-8", "surrogateescape")


def from_bytes(content: bytes) -> str:
    """The text of the file."""
    return content.decode("utf-8", "surrogateescape")


_ESCAPE: Final = re.compile(r"\\(?:u00([0-9a-f]{2})|x([0-9a-f]{2})|.)")
_SHORT: Final = {"\\b": "\\x08", "\\f": "\\x0c"}


def _in_nats(escape: re.Match[str]) -> str:
    """nats-server's escape for a control character: `\\xHH`."""
    return f"\\x{escape[1]}" if escape[1] else _SHORT.get(escape[0], escape[0])


def _in_json(escape: re.Match[str]) -> str:
    return f"\\u00{escape[2]}" if escape[2] else escape[0]
