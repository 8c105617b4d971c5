"""The accounts on the embedded bus: who may reach what, in the server's own words."""

from typing import Any

import pytest

from contract import topology
from ops.nats import accounts as nats_accounts
from ops.nats.credentials import ROLES

IMPORTING = {"INGRESS": "http", "publisher-alice": "alice", "publisher-bob": "bob"}


@pytest.fixture
def accounts() -> dict[str, Any]:
    return nats_accounts.render({role: f"password-of-{role}" for role in ROLES}, {"bob": "b", "alice": "a"})


def test_the_streams_are_in_one_account_and_every_guest_has_another(accounts: dict[str, Any]) -> None:
    assert accounts.keys() == {"SYS", topology.ACCOUNT, *IMPORTING}
    assert [name for name, account in accounts.items() if "jetstream" in account] == [topology.ACCOUNT]
    assert [user["user"] for user in accounts[topology.ACCOUNT]["users"]] == ["admin", "worker", "library"]


def test_each_user_has_a_name_of_its_own(accounts: dict[str, Any]) -> None:
    users = [user["user"] for account in accounts.values() for user in account.get("users", [])]
    assert sorted(users) == ["admin", "ingress", "library", "publisher-alice", "publisher-bob", "worker"]


@pytest.mark.parametrize("name", IMPORTING)
def test_an_importing_account_imports_what_is_exported_to_it_alone(accounts: dict[str, Any], name: str) -> None:
    opened = [export for export in accounts[topology.ACCOUNT]["exports"] if name in export["accounts"]]
    assert all(export["accounts"] == [name] for export in opened)
    for kind in ("service", "stream"):
        imported = [entry[kind] for entry in accounts[name]["imports"] if kind in entry]
        assert all(entry["account"] == topology.ACCOUNT for entry in imported)
        assert [entry["subject"] for entry in imported] == [export[kind] for export in opened if kind in export]


@pytest.mark.parametrize("name", ["alice", "bob"])
def test_all_that_a_publisher_imports_has_its_name_in_it(accounts: dict[str, Any], name: str) -> None:
    imports = accounts[f"publisher-{name}"]["imports"]
    subjects = [(entry.get("service") or entry["stream"])["subject"] for entry in imports]
    assert sorted(subjects) == [
        f"$JS.API.DIRECT.GET.KV_DOCQA_RESULTS.$KV.DOCQA_RESULTS.{name}.>",
        f"docqa.cancel.{name}.>",
        f"docqa.jobs.{name}.>",
        *(
            f"docqa.library.{operation}.{name}.*"
            for operation in ("delete", "list", "search", "spaces", "status", "text")
        ),
        f"docqa.read.{name}.>",
        f"docqa.results.{name}.>",
        f"docqa.tokens.{name}.>",
    ]


def test_nothing_is_opened_that_would_change_or_list_a_stream(accounts: dict[str, Any]) -> None:
    services = [export["service"] for export in accounts[topology.ACCOUNT]["exports"] if "service" in export]
    calls = sorted(service for service in services if service.startswith("$JS.API.") and ".DIRECT." not in service)
    assert calls == [
        "$JS.API.CONSUMER.INFO.DOCQA_JOBS.worker",
        "$JS.API.STREAM.INFO.DOCQA_IMPORTS",
        "$JS.API.STREAM.INFO.DOCQA_JOBS",
    ]
