"""The files of deploy/compose: valid, hardened, exact, and held to each other. Nothing is built or run here."""

import contextlib
import http.server
import os
import re
import shutil
import socketserver
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.deploy.support.checkers import BIN, ROOT, check

FOLDER = ROOT / "deploy" / "compose"
SCRIPTS = sorted(FOLDER.glob("*.sh"))
OURS = ("nats", "ingress", "worker", "library")
NO_HEALTH_CHECK = ("loki", "alloy")
"""Their images hold nothing that could ask."""
MONITORING = {"prometheus", "alertmanager", "grafana", "loki", "alloy"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = msgspec.yaml.decode((FOLDER / "compose.yaml").read_bytes())
    return found


def test_the_dockerfile_passes_hadolint() -> None:
    check("hadolint", FOLDER / "Dockerfile")


def test_the_compose_file_follows_the_specification() -> None:
    check("check-jsonschema", "--builtin-schema", "vendor.compose-spec", FOLDER / "compose.yaml")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_scripts_pass_shellcheck_and_are_formatted(script: Path) -> None:
    check("shellcheck", "--external-sources", script)
    assert os.access(script, os.X_OK)


def test_gixy_finds_nothing_in_nginx_conf() -> None:
    said = check("gixy", FOLDER / "nginx.conf")
    assert re.search(r"Medium: 0\n\s+High: 0", said), said


def test_every_image_has_an_exact_tag_and_no_host(compose: dict[str, Any]) -> None:
    images = [service["image"] for service in compose["services"].values()]
    images += re.findall(r"^ARG BASE=(\S+)", (FOLDER / "Dockerfile").read_text(), re.MULTILINE)
    for image in images:
        name, _, tag = image.partition(":")
        assert re.search(r"\d+\.\d+\.\d+|\d{8}", tag), f"{image} says nothing exact"
        assert "." not in name.split("/")[0], f"{image} names a host"


def test_every_image_is_listed_with_what_was_seen_of_it(compose: dict[str, Any]) -> None:
    page = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8").partition("## Images")[2].partition("\n## ")[0]
    nats = (ROOT / "deploy" / "kubernetes" / "base" / "nats.yaml").read_text(encoding="utf-8")
    base = re.findall(r"^ARG BASE=(.*)$", (FOLDER / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    used = {service["image"] for service in compose["services"].values()}
    assert set(re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)) == {
        *used,
        *base,
        *re.findall(r"image: (nats:.*)", nats),
    }


def test_every_container_is_locked_down_and_bounded(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service, name
        resources = service["deploy"]["resources"]
        assert resources["limits"].keys() >= {"cpus", "memory", "pids"}, name
        assert resources["reservations"].keys() >= {"cpus", "memory"}, name
        assert "test" in service["healthcheck"] or name in NO_HEALTH_CHECK, name


def test_the_caps_are_those_that_operators_know(compose: dict[str, Any]) -> None:
    limits = {name: compose["services"][name]["deploy"]["resources"]["limits"] for name in OURS}
    assert (limits["ingress"]["cpus"], limits["ingress"]["memory"]) == ("2", "4G")
    assert (limits["nats"]["cpus"], limits["nats"]["memory"]) == ("0.5", "512M")


def test_there_is_one_of_each_service_of_one_image(compose: dict[str, Any]) -> None:
    for name in OURS:
        assert compose["services"][name]["deploy"]["replicas"] == 1
    assert len({compose["services"][name]["image"] for name in OURS}) == 1
    version = msgspec.toml.decode((ROOT / "pyproject.toml").read_bytes())["project"]["version"]
    assert compose["services"]["worker"]["image"] == f"goblin-docqa:{version}"


def test_each_waits_until_what_it_needs_is_healthy(compose: dict[str, Any]) -> None:
    needs = {name: service.get("depends_on", {}) for name, service in compose["services"].items()}
    assert needs["ingress"] == needs["worker"] == needs["library"] == {"nats": {"condition": "service_healthy"}}
    assert needs["nginx"] == {"ingress": {"condition": "service_healthy"}}


def test_no_secret_stands_in_an_environment(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for variable in service.get("environment", {}):
            assert not re.search(r"PASSWORD$|TOKEN$|KEY$", variable) or "NATS_KEY" in variable, f"{name}: {variable}"


def test_a_role_is_given_its_own_password_only(compose: dict[str, Any]) -> None:
    secrets = {name: set(compose["services"][name].get("secrets", [])) for name in compose["services"]}
    passwords = {"admin", "ingress", "worker", "library"}
    assert secrets["ingress"] & passwords == {"ingress"}
    assert secrets["worker"] & passwords == {"worker"}
    assert secrets["library"] & passwords == {"library"}
    assert not secrets["nginx"] & passwords
    assert secrets["nats"] >= passwords


def test_the_bus_can_be_reached_by_the_services_only(compose: dict[str, Any]) -> None:
    on_the_bus = {name for name, service in compose["services"].items() if "bus" in service["networks"]}
    assert on_the_bus == set(OURS)
    assert compose["networks"]["bus"]["internal"] is True
    assert not [name for name in OURS if "ports" in compose["services"][name]]


def test_the_image_runs_as_a_numeric_user_and_its_health_needs_no_shell(compose: dict[str, Any]) -> None:
    dockerfile = (FOLDER / "Dockerfile").read_text()
    assert re.findall(r"^USER (\S+)", dockerfile, re.MULTILINE)[-1] == "10001:10001"
    for name in OURS:
        assert compose["services"][name]["healthcheck"]["test"][:2] == ["CMD", "healthy"]


class Answer(http.server.BaseHTTPRequestHandler):
    """200 to `/good` of a client that names this host properly, as the ingress demands it."""

    def do_GET(self) -> None:
        is_good = self.path == "/good" and re.fullmatch(r"(localhost|127\.0\.0\.1:\d+)", self.headers["Host"])
        self.send_response(200 if is_good else 400)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Nothing."""

    def address_string(self) -> str:
        return "socket"


class UnixServer(socketserver.UnixStreamServer):
    def get_request(self) -> tuple[Any, Any]:
        return super().get_request()[0], ("socket", 0)


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_the_health_check_says_0_for_a_200_and_1_for_all_else(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "s"
    server = UnixServer(str(path), Answer) if kind == "unix" else http.server.HTTPServer(("127.0.0.1", 0), Answer)
    where = str(path) if kind == "unix" else f"127.0.0.1:{server.socket.getsockname()[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def healthy(*arguments: str) -> int:
        return subprocess.run(
            [sys.executable, "-IS", FOLDER / "healthy.py", *arguments], capture_output=True
        ).returncode

    with contextlib.closing(server.socket):
        assert healthy(where, "/good") == 0
        assert healthy(where, "/bad") == 1
        server.shutdown()
    assert healthy(str(tmp_path / "nobody"), "/good") == 1


def test_monitoring_is_a_profile_that_the_rest_does_without(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert {name for name, service in services.items() if service.get("profiles") == ["monitoring"]} == MONITORING
    for name in services.keys() - MONITORING:
        assert not MONITORING & services[name].get("depends_on", {}).keys()


def set_up_monitoring(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([folder / "setup-monitoring.sh", *arguments], capture_output=True, text=True, timeout=60)


def monitored(folder: Path) -> Path:
    """A copy of the folder, with what is to be watched beside it."""
    shutil.copytree(FOLDER, folder / "compose", ignore=shutil.ignore_patterns("secrets", "monitoring"))
    shutil.copytree(ROOT / "deploy" / "monitoring", folder / "monitoring")
    return folder / "compose"


def test_setup_monitoring_keeps_whom_an_operator_wrote_in_and_says_what_must_start_anew(tmp_path: Path) -> None:
    folder = monitored(tmp_path)
    first = set_up_monitoring(folder)
    assert "Alerts have no receiver yet" in first.stderr
    assert "--force-recreate" not in first.stdout
    receivers = folder / "monitoring" / "alertmanager" / "alertmanager.yml"
    receivers.write_text("route: {receiver: mine}\nreceivers: [{name: mine}]\n")
    second = set_up_monitoring(folder)
    assert "receiver: mine" in receivers.read_text()
    assert "no receiver" not in second.stderr
    assert "--force-recreate prometheus alertmanager grafana loki" in second.stdout


def test_setup_monitoring_names_the_services_where_the_machine_stood(tmp_path: Path, compose: dict[str, Any]) -> None:
    folder = monitored(tmp_path)
    for _ in range(2):
        ran = set_up_monitoring(folder, "--webhook", "https://alerts.example.org/docqa")
        assert ran.returncode == 0, ran.stderr
    made = folder / "monitoring"
    texts = {path: path.read_text() for path in made.rglob("*.yml") if "tests" not in path.parts}
    told = [path for path, text in texts.items() if re.search(r"127\.0\.0\.1:(9\d\d\d|3100)", text)]
    assert not told, "an address of this machine is left"
    assert '"ingress:9108"' in texts[made / "prometheus" / "prometheus.yml"]
    assert "https://alerts.example.org/docqa" in texts[made / "alertmanager" / "alertmanager.yml"]
    for service in MONITORING:
        for volume in compose["services"][service]["volumes"]:
            source = volume.partition(":")[0]
            assert not source.startswith("./") or (folder / source).exists(), source


def test_a_webhook_that_is_no_address_is_refused(tmp_path: Path) -> None:
    ran = set_up_monitoring(FOLDER, "--webhook", "http://x|e rm")
    assert ran.returncode == 2
    assert "--webhook needs http" in ran.stderr


def prepare(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FOLDER / "prepare.sh", "--folder", folder, *arguments], capture_output=True, text=True, timeout=60
    )


def test_prepare_makes_every_secret_that_the_file_names_and_keeps_what_is_there(
    tmp_path: Path, compose: dict[str, Any]
) -> None:
    folder = tmp_path / "secrets"
    assert prepare(folder).returncode == 0
    made = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert made.keys() == {*compose["secrets"], "authority.key"} - {"grafana"}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert prepare(folder).stdout.count("made") == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == made


def test_before_prepare_compose_says_what_to_do_and_afterwards_it_has_all_it_needs(tmp_path: Path) -> None:
    if not (BIN / "podman-compose").exists() or not shutil.which("podman"):
        pytest.skip("needs podman, and podman-compose from `make checkers`")
    for name in ("compose.yaml", "prepare.sh"):
        shutil.copy(FOLDER / name, tmp_path)
    # An editor may leave the last line open.
    (tmp_path / ".env").write_text("MAX_QUEUE_SIZE=77")
    command = [str(BIN / "podman-compose"), "config"]
    before = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert before.returncode != 0
    assert "SECRETS is missing a value: run ./prepare.sh first" in before.stderr
    for _ in range(2):
        subprocess.run([tmp_path / "prepare.sh"], check=True, capture_output=True, timeout=60)
    assert (tmp_path / ".env").read_text() == "MAX_QUEUE_SIZE=77\nSECRETS=./secrets\n"
    after = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert after.returncode == 0, after.stderr
    config = msgspec.yaml.decode(after.stdout)
    assert all((tmp_path / secret["file"]).exists() for name, secret in config["secrets"].items() if name != "grafana")


def test_its_certificates_name_what_was_asked_for_and_stand_the_strictest_check(tmp_path: Path) -> None:
    prepare(tmp_path, "--bus", "nats", "--bus", "*.nats.docqa.svc", "--site", "docqa.example.org")
    authority = tmp_path / "authority.pem"
    for name, expected in (("bus", "DNS:*.nats.docqa.svc"), ("site", "DNS:docqa.example.org")):
        certificate = tmp_path / f"{name}.pem"
        subprocess.run(["openssl", "verify", "-x509_strict", "-CAfile", authority, certificate], check=True)
        shown = subprocess.run(
            ["openssl", "x509", "-in", certificate, "-noout", "-ext", "subjectAltName"], capture_output=True, text=True
        )
        assert expected in shown.stdout
        assert "IP Address:127.0.0.1" in shown.stdout


@pytest.mark.parametrize("arguments", [["--nonsense"], ["--bus"]])
def test_a_wrong_option_of_prepare_is_told_and_nothing_made(tmp_path: Path, arguments: list[str]) -> None:
    ran = prepare(tmp_path / "secrets", *arguments)
    assert ran.returncode == 2
    assert arguments[0] in ran.stderr
    assert not (tmp_path / "secrets").exists()


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    folder = tmp_path / "compose"
    folder.mkdir()
    for name in ("pin.sh", "compose.yaml", "Dockerfile"):
        (folder / name).write_bytes((FOLDER / name).read_bytes())
    (folder / "pin.sh").chmod(0o755)
    (tmp_path / "bin").mkdir()
    return folder


def pin(folder: Path, registry: str) -> subprocess.CompletedProcess[str]:
    """With a `skopeo` that answers as a registry would."""
    skopeo = folder.parent / "bin" / "skopeo"
    skopeo.write_text(f"#!/bin/sh\n{registry}\n")
    skopeo.chmod(0o755)
    path = f"{skopeo.parent}:{os.environ['PATH']}"
    return subprocess.run([folder / "pin.sh"], env={"PATH": path}, capture_output=True, text=True, timeout=60)


def test_pin_writes_the_digest_that_the_registry_tells_for_every_image(copied: Path, compose: dict[str, Any]) -> None:
    digest = f"sha256:{'a' * 64}"
    ran = pin(copied, f"echo {digest}")
    assert ran.returncode == 0, ran.stderr
    pinned = msgspec.yaml.decode((copied / "compose.pinned.yaml").read_bytes())["services"]
    foreign = {name for name, service in compose["services"].items() if not service["image"].startswith("goblin-")}
    assert pinned.keys() == foreign | {"nats"}
    assert all(pinned[name]["image"] == f"{compose['services'][name]['image']}@{digest}" for name in foreign)
    assert pinned["nats"]["build"]["args"]["BASE"].endswith(f"-slim@{digest}")
    check("check-jsonschema", "--builtin-schema", "vendor.compose-spec", copied / "compose.pinned.yaml")


def test_without_a_registry_pin_says_so_and_leaves_nothing(copied: Path) -> None:
    ran = pin(copied, "exit 1")
    assert ran.returncode == 1
    assert "no registry has a digest of debian:" in ran.stderr
    assert not list(copied.glob("compose.pinned.yaml*"))
