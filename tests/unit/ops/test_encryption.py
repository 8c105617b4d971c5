"""The key of the store: in no file, and never another one than the store was written with."""

from pathlib import Path
from typing import Any

import pytest

from contract.errors import SettingsError
from contract.settings import QueueSettings, Secret, load
from ops.nats import config, encryption
from ops.nats.credentials import ROLES
from ops.nats.endpoint import Endpoint
from ops.supervisor.supervisor import StartError

KEY = "0123456789abcdef0123456789abcdef"


def keyed(key: str = KEY, **changes: Any) -> QueueSettings:
    return QueueSettings(store_key=Secret(key), **changes)


def rendered(settings: QueueSettings) -> str:
    passwords = {role: f"password-of-{role}" for role in ROLES}
    return config.render(
        folder=Path("/data/nats"),
        endpoint=Endpoint(),
        passwords=passwords,
        max_request_size_mb=1,
        encryption=encryption.jetstream(settings),
    )


def test_the_configuration_names_the_key_and_does_not_hold_it() -> None:
    text = rendered(keyed())
    assert '"cipher": "chachapoly"' in text
    assert '"key": $DOCQA_STORE_KEY' in text
    assert KEY not in text
    assert config.read(text)["jetstream"]["key"] == "$DOCQA_STORE_KEY"
    assert encryption.environment(keyed()) == {"DOCQA_STORE_KEY": f'"{KEY}"'}


def test_other_accounts_leave_the_reference_to_the_key() -> None:
    assert '"key": $DOCQA_STORE_KEY' in config.with_accounts(rendered(keyed()), {})


def test_without_a_key_nothing_is_encrypted(tmp_path: Path) -> None:
    assert "cipher" not in rendered(QueueSettings())
    encryption.check_key(tmp_path, QueueSettings())
    assert not list(tmp_path.iterdir())


def test_a_store_takes_its_own_key_only(tmp_path: Path) -> None:
    encryption.check_key(tmp_path, keyed())
    encryption.check_key(tmp_path, keyed())
    with pytest.raises(StartError, match="was encrypted with another key"):
        encryption.check_key(tmp_path, keyed("f" * 32))
    with pytest.raises(StartError, match="is encrypted: set DOCQA_STORE_KEY"):
        encryption.check_key(tmp_path, QueueSettings())
    with pytest.raises(StartError, match="is encrypted with chachapoly"):
        encryption.check_key(tmp_path, keyed(store_cipher="aes"))
    [mark] = tmp_path.iterdir()
    assert KEY not in mark.read_text(encoding="utf-8")


@pytest.mark.parametrize("key", ["short", "x" * 257, "é" * 40, 'with "quotes" and spaces, long enough'])
def test_a_key_that_can_not_be_used_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(SettingsError, match="DOCQA_STORE_KEY must be 32 to 256 letters") as refused:
        load(QueueSettings, {"DOCQA_STORE_KEY": key})
    assert key not in str(refused.value)
