"""`docqa cluster`: a cluster's configuration has the embedded one's accounts, and nothing in the clear."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from contract.errors import SettingsError
from ops.commands.cluster import command
from ops.nats import accounts
from ops.nats.credentials import ROLES, Credentials

ROUTES = ["--route", "nats-0.nats:6222", "--route", "nats-1.nats:6222"]
LOOPBACK = ["--listen", "127.0.0.1:1", "--listen-routes", "127.0.0.1:2"]


def printed(folder: Path, *arguments: str) -> dict[str, Any]:
    Credentials(folder).ensure()
    ran = CliRunner(env={"DOCQA_NATS_CREDENTIALS": str(folder)}).invoke(
        command, [*arguments, "--data-dir", str(folder / "data")], catch_exceptions=False
    )
    found: dict[str, Any] = json.loads(ran.output)
    return found


def test_it_has_the_accounts_and_the_durability_of_the_embedded_server(tmp_path: Path) -> None:
    config = printed(tmp_path, *ROUTES, "--certificates", "/etc/nats")
    passwords = {role: Credentials(tmp_path).read(role) for role in ROLES}
    assert config["accounts"] == accounts.render(passwords, {})
    assert config["jetstream"]["sync_interval"] == "always"
    assert config["jetstream"]["store_dir"] == "/data"


def test_servers_and_clients_meet_under_tls_and_servers_show_each_other_a_certificate(tmp_path: Path) -> None:
    config = printed(tmp_path, *ROUTES, "--certificates", "/etc/nats")
    assert config["tls"] == {"cert_file": "/etc/nats/bus.pem", "key_file": "/etc/nats/bus.key"}
    assert config["cluster"]["tls"]["verify"] is True
    assert config["cluster"]["routes"] == ["nats://nats-0.nats:6222", "nats://nats-1.nats:6222"]


@pytest.mark.parametrize("arguments", [[], LOOPBACK[:2], LOOPBACK[2:]])
def test_beyond_this_machine_it_needs_certificates(tmp_path: Path, arguments: list[str]) -> None:
    with pytest.raises(SettingsError, match=r"--listen.*in the clear"):
        printed(tmp_path, *ROUTES, *arguments)
    assert "tls" not in printed(tmp_path, *ROUTES, *LOOPBACK)


def test_a_server_alone_is_no_cluster_and_has_the_rest(tmp_path: Path) -> None:
    alone, one_of_two = (printed(tmp_path, *routes, "--certificates", "/etc/nats") for routes in (ROUTES[:2], ROUTES))
    assert alone == {name: part for name, part in one_of_two.items() if name != "cluster"}


def test_without_passwords_it_says_where_they_come_from(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"DOCQA_NATS_CREDENTIALS: there is no .*admin"):
        CliRunner(env={"DOCQA_NATS_CREDENTIALS": str(tmp_path)}).invoke(command, ROUTES, catch_exceptions=False)
