"""The playbook, run from this machine against a booted one over SSH, as an operator runs it."""

import contextlib
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import trustme

from bench.targets.free_ports import free_ports
from tests.deploy.support import debian
from tests.deploy.support.checkers import BIN
from tests.deploy.support.deployed import Deployed
from tests.deploy.support.places import DEPLOY, ROOT
from tests.support.waiting import until

NAME: Final = "docqa.example.org"
TOKEN: Final = "open-sesame-open-sesame"
_PLAYS_WITHIN_S: Final = 480


class Ansible:
    """Plays on one machine with the settings of its tests; the token is in a file that Ansible's vault encrypts."""

    def __init__(self, docqa: Deployed, folder: Path, ssh_port: int) -> None:
        self.authority = trustme.CA()
        self.http_port, self.https_port = free_ports(2)
        self._folder = folder
        (folder / "inventory").write_text(
            f"[docqa]\nmachine ansible_host=127.0.0.1 ansible_port={ssh_port} ansible_user=root "
            f"ansible_ssh_private_key_file={folder}/key ansible_python_interpreter=/usr/bin/python3\n"
        )
        (folder / "vars.json").write_text(json.dumps(self._variables(docqa)))
        (folder / "password").write_text("a password of the vault")
        (folder / "secrets.yml").write_text(f"goblin_docqa_token: {TOKEN}\n")
        self._run("ansible-vault", "encrypt", "--vault-password-file", folder / "password", folder / "secrets.yml")

    def play(self, *options: str, **variables: Any) -> "subprocess.CompletedProcess[str]":
        files = [f"--extra-vars=@{self._folder / name}" for name in ("vars.json", "secrets.yml")]
        more = f"--extra-vars={json.dumps({f'goblin_docqa_{name}': value for name, value in variables.items()})}"
        vault: list[str | Path] = [
            "--vault-password-file",
            self._folder / "password",
            "--inventory",
            self._folder / "inventory",
        ]
        done = self._run("ansible-playbook", *vault, *files, more, *options, "deploy.yml", check=False)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr
        assert TOKEN not in done.stdout
        return done

    def _variables(self, docqa: Deployed) -> dict[str, Any]:
        certificate = self.authority.issue_cert(NAME)
        chain = b"".join(pem.bytes() for pem in certificate.cert_chain_pems)
        package = docqa.package("first")
        given: dict[str, Any] = {
            "settings": {"MODEL_QUANTIZATION": "as-is", "DOCQA_NATS_PORT": docqa.bus_port},
            "service_settings": {
                name: {"DOCQA_METRICS_ADDR": f"127.0.0.1:{port}"} for name, port in docqa.metrics_ports.items()
            },
            "package": package,
            "wheels": "/wheels",
            "server_name": NAME,
            "tls_certificate": chain.decode(),
            "tls_key": certificate.private_key_pem.bytes().decode(),
            "http_listen": f"127.0.0.1:{self.http_port}",
            "https_listen": f"127.0.0.1:{self.https_port}",
        }
        return {f"goblin_docqa_{name}": value for name, value in given.items()}

    def _run(self, name: str, *arguments: str | Path, check: bool = True) -> "subprocess.CompletedProcess[str]":
        environment: Mapping[str, str] = {
            **os.environ,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "HOME": str(self._folder),
            "ANSIBLE_HOST_KEY_CHECKING": "False",
            "ANSIBLE_PIPELINING": "True",
            "ANSIBLE_NOCOLOR": "1",
            "LC_ALL": "C.UTF-8",
        }
        return subprocess.run(
            [BIN / name, *arguments],
            cwd=DEPLOY / "ansible",
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=check,
            timeout=_PLAYS_WITHIN_S,
        )


def changed(done: "subprocess.CompletedProcess[str]") -> int:
    """How many tasks changed something."""
    found = re.search(r"changed=(\d+)", done.stdout)
    assert found, done.stdout
    return int(found[1])


@contextlib.contextmanager
def ansible_for(docqa: Deployed, folder: Path) -> Iterator[Ansible]:
    """With a server for SSH on the machine, on a port of the loopback, for the time of a block."""
    if not (BIN / "ansible-playbook").exists():
        pytest.skip("Ansible is not installed: run `make checkers`")
    if not (ROOT / ".git").exists():
        pytest.skip("what is deployed is packed from a git checkout")
    debian.ensure("openssh-client")
    [port] = free_ports(1)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key"], check=True)
    keys = docqa.machine.path("/root/.ssh/authorized_keys")
    keys.parent.mkdir(mode=0o700, exist_ok=True)
    keys.write_bytes((folder / "key.pub").read_bytes())
    docqa.machine.run("install", "-d", "/run/sshd")
    listens = ["-o", f"ListenAddress=127.0.0.1:{port}", "-o", "PermitRootLogin=prohibit-password"]
    docqa.machine.run("systemd-run", "--unit=tests-ssh", "/usr/sbin/sshd", "-D", *listens)
    try:
        until(lambda: _answers(port), "the server for SSH listens")
        yield Ansible(docqa, folder, port)
    finally:
        docqa.machine.run("systemctl", "stop", "tests-ssh.service", check=False)


def _answers(port: int) -> bool:
    scanned = subprocess.run(["ssh-keyscan", "-T", "2", "-p", str(port), "127.0.0.1"], capture_output=True, check=False)
    return bool(scanned.stdout)
