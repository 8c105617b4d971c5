"""The embedded nats-server's configuration: where it listens, where and how it stores.

Who may say what stands in `nats_accounts`; the passwords and the process are others' concern. The file is JSON,
which nats-server reads as its own format.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from ops.nats import accounts as nats_accounts
from ops.nats import encryption as store_key
from ops.nats.endpoint import Door

PAYLOAD_MARGIN_BYTES: Final = 128 * 1024
"""Above the stream's own bound, so that the stream says what is too large, and results have room."""

_MAX_FILE_STORE_BYTES: Final = 2**40
"""Each stream has a bound of its own. A tight one here could keep a stream from coming back after a restart."""
_MAX_MEMORY_STORE_BYTES: Final = 2**26
STORE: Final = "store"
"""Where in its folder the server keeps its streams."""

_REFERENCE: Final = f"${store_key.VARIABLE}"


def render(
    *,
    folder: Path,
    door: Door,
    passwords: Mapping[str, str],
    max_request_size_mb: int,
    publishers: Mapping[str, str] = MappingProxyType({}),
    encryption: Mapping[str, str] = MappingProxyType({}),
    store: Path | None = None,
) -> str:
    """The configuration's text. Port -1 lets the server pick one and tell it in its ports file.

    `encryption` comes from `store_key`; `store` is elsewhere than in `folder` when it is named.
    """
    config = {
        "server_name": "docqa",
        "listen": str(door.address),
        "http": str(door.monitor),
        "ports_file_dir": str(folder),
        **storing(store or folder / STORE, max_request_size_mb, encryption),
        **letting_in(passwords, publishers),
    }
    if door.certificate:
        config["tls"] = door.certificate.render()
    return written(config)


def storing(
    folder: Path, max_request_size_mb: int, encryption: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Any]:
    """Where a server stores, and how much it takes."""
    return {
        "max_payload": max_request_size_mb * 2**20 + PAYLOAD_MARGIN_BYTES,
        "jetstream": {
            "store_dir": str(folder),
            # The default fsyncs every two minutes and loses acknowledged jobs on a power cut.
            "sync_interval": "always",
            "max_file_store": _MAX_FILE_STORE_BYTES,
            "max_memory_store": _MAX_MEMORY_STORE_BYTES,
            **encryption,
        },
    }


def letting_in(passwords: Mapping[str, str], publishers: Mapping[str, str]) -> dict[str, Any]:
    """Who may say what."""
    return {"system_account": nats_accounts.SYSTEM, "accounts": nats_accounts.render(passwords, publishers)}


def with_accounts(text: str, accounts: Mapping[str, Any]) -> str:
    """The same configuration with other accounts: all that a running server is asked to take in."""
    return written({**read(text), "accounts": accounts})


def read(text: str) -> dict[str, Any]:
    """What `render` wrote."""
    found: dict[str, Any] = json.loads(text.replace(_REFERENCE, json.dumps(_REFERENCE)))
    return found


def written(config: Mapping[str, Any]) -> str:
    """As text: nats-server reads JSON as its own format."""
    # A variable that nats-server is to read from its environment stands without quotes: so far it is not JSON.
    return json.dumps(config, indent=2).replace(json.dumps(_REFERENCE), _REFERENCE) + "\n"
