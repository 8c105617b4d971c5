"""The manifests of deploy/kubernetes: valid, restricted, closed, and held to what the code calls things.

No Kubernetes runs here: its cluster of nats-servers is tried in tests/integration/ops/test_cluster.py.
"""

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import msgspec
import pytest
import yaml  # type: ignore[import-untyped]  # its types would be one more package for one test

from contract import topology
from contract.settings import KNOWN_NAMES, SECRET_NAMES
from tests.deploy.support.checkers import BIN, ROOT, check

FOLDER: Final = ROOT / "deploy" / "kubernetes"
OVERLAYS: Final = ("base", "overlays/small", "overlays/large")
WORKLOADS: Final = ("Deployment", "StatefulSet", "CronJob")

_NAME: Final = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}
_COUNT: Final = {"type": "integer", "minimum": 0}
CUSTOM: Final[dict[str, Any]] = {
    # What the operators' own definitions say of the fields that are used; any other field is refused.
    "ScaledObject": {
        "type": "object",
        "additionalProperties": False,
        "required": ["scaleTargetRef", "triggers"],
        "properties": {
            "scaleTargetRef": {"type": "object", "required": ["name"], "properties": {"name": _NAME}},
            "pollingInterval": _COUNT,
            "cooldownPeriod": _COUNT,
            "minReplicaCount": _COUNT,
            "maxReplicaCount": _COUNT,
            "fallback": {
                "type": "object",
                "additionalProperties": False,
                "required": ["failureThreshold", "replicas"],
                "properties": {"failureThreshold": _COUNT, "replicas": _COUNT},
            },
            "advanced": {"type": "object"},
            "triggers": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["type", "metadata"],
                    "properties": {
                        "type": {"const": "nats-jetstream"},
                        "metadata": {
                            "type": "object",
                            "additionalProperties": False,
                            "required": ["natsServerMonitoringEndpoint", "account", "stream", "consumer"],
                            # KEDA takes texts only.
                            "properties": {
                                name: {"type": "string"}
                                for name in (
                                    "natsServerMonitoringEndpoint",
                                    "account",
                                    "stream",
                                    "consumer",
                                    "lagThreshold",
                                    "activationLagThreshold",
                                    "useHttps",
                                )
                            },
                        },
                    },
                },
            },
        },
    },
    "ServiceMonitor": {
        "type": "object",
        "additionalProperties": False,
        "required": ["selector", "endpoints"],
        "properties": {
            "selector": {"type": "object", "properties": {"matchLabels": {"type": "object"}}},
            "endpoints": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["port"],
                    "properties": {"port": _NAME, "interval": {"type": "string", "pattern": "^[0-9]+[smh]$"}},
                },
            },
        },
    },
}


def built(overlay: str) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(check("kubectl", "kustomize", FOLDER / overlay)) if document]


@pytest.fixture(scope="module", params=OVERLAYS)
def documents(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return built(request.param)


def of_kind(documents: list[dict[str, Any]], *kinds: str) -> list[dict[str, Any]]:
    return [document for document in documents if document["kind"] in kinds]


def named(documents: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    return next(document for document in of_kind(documents, kind) if document["metadata"]["name"] == name)


def pod_of(workload: dict[str, Any]) -> dict[str, Any]:
    spec = workload["spec"]["jobTemplate"]["spec"] if workload["kind"] == "CronJob" else workload["spec"]
    found: dict[str, Any] = spec["template"]["spec"]
    return found


def test_everything_follows_its_strict_schema(documents: list[dict[str, Any]], tmp_path: Path) -> None:
    core = [document for document in documents if document["kind"] not in CUSTOM]
    (tmp_path / "core.yaml").write_text(yaml.safe_dump_all(core))
    check("kubernetes-validate", "--strict", "--no-warn", tmp_path / "core.yaml")
    custom = of_kind(documents, *CUSTOM)
    assert {document["kind"] for document in custom} == CUSTOM.keys()
    for document in custom:
        jsonschema_rs.validate(CUSTOM[document["kind"]], document["spec"])


def test_every_pod_stands_the_restricted_standard(documents: list[dict[str, Any]]) -> None:
    for workload in of_kind(documents, *WORKLOADS):
        pod = pod_of(workload)
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"].keys() >= {"cpu", "memory"}
            assert container["resources"]["requests"].keys() >= {"cpu", "memory"}
            assert container["image"].partition(":")[2][:1].isdigit(), "an exact tag"
    namespace = of_kind(documents, "Namespace")[0]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_every_long_running_pod_is_probed_and_has_a_disruption_budget(documents: list[dict[str, Any]]) -> None:
    budgets = [budget["spec"]["selector"]["matchLabels"] for budget in of_kind(documents, "PodDisruptionBudget")]
    for workload in of_kind(documents, "Deployment", "StatefulSet"):
        for container in pod_of(workload)["containers"]:
            assert container.keys() >= {"startupProbe", "livenessProbe", "readinessProbe"}
        assert workload["spec"]["selector"]["matchLabels"] in budgets


def test_nothing_is_open_that_no_policy_opens(documents: list[dict[str, Any]]) -> None:
    policies = {policy["metadata"]["name"]: policy["spec"] for policy in of_kind(documents, "NetworkPolicy")}
    closed = policies["nothing-else"]
    assert closed["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in closed
    assert "egress" not in closed
    who = policies["nats"]["ingress"][0]
    assert who["ports"] == [{"protocol": "TCP", "port": 4222}]
    assert who["from"][0]["podSelector"]["matchExpressions"][0]["values"] == [
        "docqa-ingress",
        "docqa-worker",
        "docqa-library",
        "docqa-provision",
    ]


def test_every_setting_is_one_and_no_secret_is_among_them(documents: list[dict[str, Any]]) -> None:
    settings = set(next(iter(of_kind(documents, "ConfigMap")))["data"])
    for workload in of_kind(documents, *WORKLOADS):
        for container in pod_of(workload)["containers"]:
            settings |= {variable["name"] for variable in container.get("env", [])}
    ours = {name for name in settings if name.startswith(("DOCQA_", "MODEL_", "MAX_"))}
    assert ours <= KNOWN_NAMES | {f"{name}_FILE" for name in SECRET_NAMES}
    assert not ours & SECRET_NAMES


def test_there_is_one_listener_and_keda_alone_counts_the_workers(documents: list[dict[str, Any]]) -> None:
    assert named(documents, "Deployment", "docqa-ingress")["spec"]["replicas"] == 1
    assert "replicas" not in named(documents, "Deployment", "docqa-worker")["spec"]
    scaled = of_kind(documents, "ScaledObject")[0]["spec"]
    assert scaled["minReplicaCount"] <= scaled["maxReplicaCount"]
    lag = scaled["triggers"][0]["metadata"]
    assert (lag["account"], lag["stream"], lag["consumer"]) == (
        topology.ACCOUNT,
        topology.JOBS_STREAM,
        topology.WORKER_DURABLE,
    )


def test_the_queue_is_long_enough_to_show_the_scaler_work_for_all_workers(documents: list[dict[str, Any]]) -> None:
    """A full queue must ask for the most workers, each of which takes as many jobs as it has slots."""
    scaled = of_kind(documents, "ScaledObject")[0]["spec"]
    lag = int(scaled["triggers"][0]["metadata"]["lagThreshold"])
    [worker] = named(documents, "Deployment", "docqa-worker")["spec"]["template"]["spec"]["containers"]
    slots = next(int(one["value"]) for one in worker["env"] if one["name"] == "DOCQA_SLOTS")
    assert lag == slots
    assert int(of_kind(documents, "ConfigMap")[0]["data"]["MAX_QUEUE_SIZE"]) >= lag * scaled["maxReplicaCount"]


def test_there_are_as_many_servers_as_copies_and_clients_know_them_all(documents: list[dict[str, Any]]) -> None:
    settings = of_kind(documents, "ConfigMap")[0]["data"]
    servers = named(documents, "StatefulSet", "nats")["spec"]["replicas"]
    assert int(settings["DOCQA_REPLICAS"]) == servers
    assert settings["DOCQA_NATS_URL"].split(",") == [
        f"tls://nats-{number}.nats.docqa.svc:4222" for number in range(servers)
    ]


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    if not (BIN / "kubectl").exists():
        pytest.skip("kubectl is not installed: run `make checkers`")
    folder = tmp_path_factory.mktemp("secrets")
    path = f"{BIN}:{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"
    ran = subprocess.run(
        [FOLDER / "secrets.sh", folder], env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    return folder, [document for document in yaml.safe_load_all(ran.stdout) if document]


def test_secrets_sh_makes_every_secret_that_is_mounted(secrets: tuple[Path, list[dict[str, Any]]]) -> None:
    made = {document["metadata"]["name"]: set(document["data"]) for document in secrets[1]}
    mounted: dict[str, set[str]] = {}
    for workload in of_kind(built("base"), *WORKLOADS):
        for volume in pod_of(workload)["volumes"]:
            if secret := volume.get("secret"):
                keys = {item["key"] for item in secret.get("items", [])}
                mounted.setdefault(secret["secretName"], set()).update(keys)
    assert made.keys() == mounted.keys()
    assert all(keys <= made[name] for name, keys in mounted.items())


def test_its_nats_conf_is_one_that_the_server_takes(secrets: tuple[Path, list[dict[str, Any]]], tmp_path: Path) -> None:
    folder, documents = secrets
    (document,) = (document for document in documents if document["metadata"]["name"] == "docqa-nats")
    config = json.loads(base64.b64decode(document["data"]["nats.conf"]))
    assert config["cluster"]["routes"] == [f"nats://nats-{number}.nats.docqa.svc:6222" for number in range(3)]
    text = json.dumps(config).replace("/etc/docqa/bus", str(folder)).replace('"/data"', json.dumps(str(tmp_path)))
    (tmp_path / "nats.conf").write_text(text)
    server = ROOT / ".venv" / "bin" / "nats-server"
    tried = subprocess.run([server, "-t", "--config", tmp_path / "nats.conf"], capture_output=True, text=True)
    assert tried.returncode == 0, tried.stderr


def test_the_script_passes_shellcheck() -> None:
    check("shellcheck", FOLDER / "secrets.sh")


def test_the_version_of_the_image_is_the_projects(documents: list[dict[str, Any]]) -> None:
    version = msgspec.toml.decode((ROOT / "pyproject.toml").read_bytes())["project"]["version"]
    ours = {
        container["image"]
        for workload in of_kind(documents, *WORKLOADS)
        for container in pod_of(workload)["containers"]
        if container["image"].startswith("goblin-docqa")
    }
    assert ours == {f"goblin-docqa:{version}"}
