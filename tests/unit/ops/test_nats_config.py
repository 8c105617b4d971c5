"""The embedded server's configuration."""

import json
from pathlib import Path
from typing import Any

import pytest

from contract.address import Address
from ops.nats.config import from_bytes, read, render, to_bytes, with_accounts
from ops.nats.credentials import ROLES, Credentials
from ops.nats.endpoint import Endpoint


def rendered(**changes: Any) -> dict[str, Any]:
    passwords = {role: f"password-of-{role}" for role in ROLES}
    given: dict[str, Any] = {"folder": Path("/data/nats"), "endpoint": Endpoint(), "max_request_size_mb": 1, **changes}
    found: dict[str, Any] = json.loads(render(passwords=passwords, **given))
    return found


def users() -> dict[str, dict[str, Any]]:
    return {user["user"]: user for account in rendered()["accounts"].values() for user in account.get("users", [])}


def test_every_job_is_on_disk_before_it_is_acknowledged() -> None:
    assert rendered()["jetstream"]["sync_interval"] == "always"


def test_nothing_but_the_loopback_is_listened_on() -> None:
    config = rendered(endpoint=Endpoint(Address("127.0.0.1", -1)))
    assert config["listen"] == "127.0.0.1:-1"
    assert config["http"].startswith("127.0.0.1:")


def test_the_largest_message_follows_the_largest_request() -> None:
    assert rendered(max_request_size_mb=3)["max_payload"] == 3 * 2**20 + 128 * 1024


def test_only_the_admin_may_do_everything_and_nobody_is_in_the_system_account() -> None:
    assert users()["admin"]["permissions"] == {"publish": [">"], "subscribe": [">"]}
    for role in ("ingress", "worker"):
        rights = users()[role]["permissions"]
        assert not any(subject.startswith((">", "*", "$JS.API.>")) for subject in rights["publish"])
        assert not any(subject.startswith((">", "*", "_INBOX.")) for subject in rights["subscribe"])
    assert rendered()["accounts"][rendered()["system_account"]] == {}


def test_each_role_has_its_own_password_drawn_once_and_read_by_its_owner_only(tmp_path: Path) -> None:
    credentials = Credentials(tmp_path / "credentials")
    credentials.ensure()
    first = {role: credentials.read(role) for role in ROLES}
    credentials.ensure()
    assert {role: credentials.read(role) for role in ROLES} == first
    assert len(set(first.values())) == len(ROLES)
    assert all(len(password) == 64 for password in first.values())
    assert all(credentials.path(role).stat().st_mode & 0o777 == 0o600 for role in ROLES)
    assert credentials.folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "name", ["dé", "数据", 'quo"te', "back\\slash", "$dollar #hash {brace}", "\udce9t\udce9", "bell\x07\b\f\n"]
)
def test_a_path_of_any_letters_is_read_as_it_was_written(name: str) -> None:
    text = render(
        passwords=dict.fromkeys(ROLES, "word"), folder=Path("/data") / name, endpoint=Endpoint(), max_request_size_mb=1
    )
    assert "\\u" not in text
    assert read(from_bytes(to_bytes(text)))["jetstream"]["store_dir"] == f"/data/{name}/store"
    assert read(with_accounts(text, {}))["ports_file_dir"] == f"/data/{name}"
