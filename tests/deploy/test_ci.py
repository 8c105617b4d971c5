"""The pipeline: its workflow file, and its scripts run against local stacks: good, slow and broken releases."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.targets.free_ports import free_port
from tests.deploy.support import debian
from tests.deploy.support.checkers import ROOT, check

CI = ROOT / "deploy" / "ci"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SCRIPTS = sorted([*CI.glob("*.sh"), *CI.glob("targets/*.sh")])
QUICK = "--every 0.3 --load 300"


def test_the_workflows_pass_actionlint_and_zizmor() -> None:
    check("actionlint")
    check("zizmor", "--offline", "--quiet", *WORKFLOWS)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_by_a_commit_with_its_tag_beside_it(workflow: Path) -> None:
    for used in re.findall(r"uses: (.*)", workflow.read_text(encoding="utf-8")):
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used), used


def test_the_workflow_runs_nothing_that_does_not_run_without_it() -> None:
    said = "\n".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    for script in ("test.sh", "build.sh", "scan.sh", "canary.sh", "promote.sh", "rollback.sh"):
        assert f"deploy/ci/{script}" in said
        assert os.access(CI / script, os.X_OK)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_pass_shellcheck_and_are_formatted(script: Path) -> None:
    check("shellcheck", "-x", script)
    check("shfmt", "-i", "2", "-d", script)


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["pipeline.sh"], "pipeline.sh: name a target: ecs local systemd"),
        (["pipeline.sh", "moon"], "pipeline.sh: there is no target moon, but ecs local systemd"),
        (["canary.sh"], "canary.sh: name a target: ecs local systemd"),
        (["canary.sh", "local"], "canary.sh: name a release: a wheel, an environment or an image, as the target local"),
        (["rollback.sh"], "rollback.sh: name a target: ecs local systemd"),
        (["rollback.sh", "local"], "rollback.sh: set SITE_HOME: the folder that holds"),
        (["rollback.sh", "ecs"], "rollback.sh: set ECS_CLUSTER: the cluster's name"),
        (["scan.sh", "/nowhere"], "scan.sh: nothing was built in /nowhere: run deploy/ci/build.sh /nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_call_that_lacks_something_is_told_in_a_sentence(command: list[str], sentence: str) -> None:
    # A command that is there, so that it is not what lacks.
    environment = {"PATH": os.environ["PATH"], "DOCQA": sys.executable}
    done = subprocess.run([CI / command[0], *command[1:]], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(sentence)
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("script", ["pipeline.sh", "canary.sh", "promote.sh", "rollback.sh"])
def test_help_says_what_a_script_of_the_pipeline_takes(script: str) -> None:
    done = subprocess.run([CI / script, "--help"], capture_output=True, text=True, check=True)
    assert f"{script} TARGET" in done.stdout


class Site:
    """A machine of the target `local`: its folder, its address, and releases of the echo engine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.http = f"127.0.0.1:{free_port()}"

    def release(self, name: str, delay_s: float, guard: str = "") -> Path:
        """This tree's command with an engine that takes `delay_s`; `guard` is a line that runs before it."""
        command = self.folder / name / "bin" / "docqa"
        command.parent.mkdir(parents=True)
        settings = f"DOCQA_ENGINE=echo DOCQA_ECHO_DELAY_S={delay_s} MAX_QUEUE_SIZE=20 DOCQA_SLOTS=4"
        command.write_text(
            f'#!/bin/sh\n{guard}\nexport {settings}\nexec {sys.executable} -m ops "$@"\n', encoding="utf-8"
        )
        command.chmod(0o755)
        return command.parents[1]

    def run(self, script: str, release: Path | None) -> "subprocess.CompletedProcess[str]":
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DOCQA_")}
        environment = {
            **kept,
            "HOME": str(self.folder),
            "DOCQA": str(Path(sys.executable).with_name("docqa")),
            "SITE_HOME": str(self.folder / "site"),
            "SITE_HTTP": self.http,
            "CANARY_MINUTES": "0.08",
            "CANARY_OPTIONS": QUICK,
            "CANARY_REPORT": str(self.folder / "canary.md"),
        }
        command: list[str] = [str(CI / script), "local", *([str(release)] if release else [])]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    @property
    def current(self) -> str:
        return (self.folder / "site" / "current").resolve().name

    def end(self) -> None:
        for ready in self.folder.glob("site/*/ready.json"):
            os.kill(json.loads(ready.read_text())["pids"]["up"], signal.SIGTERM)


@pytest.fixture
def site() -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="dq", ignore_cleanup_errors=True) as folder:
        made = Site(Path(folder))
        yield made
        made.end()


def test_a_good_release_is_promoted_a_slow_one_is_not_and_a_broken_one_is_rolled_back(site: Site) -> None:
    first, good = site.release("first", 0.2), site.release("good", 0.2)
    slow = site.release("slow", 0.9)
    # Well as a canary, and not in its place: what a canary can't see.
    broken = site.release("broken", 0.2, guard='case "$*" in *site/data*) echo "broken here" >&2; exit 1;; esac')

    began = site.run("pipeline.sh", first)
    assert (began.returncode, site.current) == (0, "first"), began.stderr
    better = site.run("pipeline.sh", good)
    assert (better.returncode, site.current) == (0, "good"), better.stderr
    assert "# Canary: promote" in (site.folder / "canary.md").read_text(encoding="utf-8")

    worse = site.run("pipeline.sh", slow)
    assert (worse.returncode, site.current) == (1, "good"), worse.stderr
    assert "times as long as the baseline" in worse.stdout

    failed = site.run("promote.sh", broken)
    assert (failed.returncode, site.current) == (1, "good"), failed.stderr
    assert "broken was rolled back: what ran before runs again" in failed.stderr
    assert not (site.folder / "site" / "canary").exists()


def test_what_is_built_has_a_bill_of_materials_and_says_how_it_was_made(tmp_path: Path) -> None:
    built = subprocess.run([CI / "build.sh", tmp_path / "dist"], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    out = tmp_path / "dist"
    [wheel] = out.glob("*.whl")
    components = json.loads((out / "sbom.cdx.json").read_text())["components"]
    locked = re.findall(r"^([\w.-]+)==", (ROOT / "requirements" / "runtime.txt").read_text(), re.MULTILINE)
    assert {name.lower() for name in locked} <= {part["name"].lower() for part in components}
    statement = json.loads((out / "provenance.json").read_text())
    assert statement["subject"][0]["name"] == wheel.name
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=out, check=True)


class Ecs:
    """The scripts of the target `ecs` with a fake `aws`, and a fake `docqa` that answers as the test says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._state = folder / "state.json"
        (folder / "aws").symlink_to(Path(__file__).parent / "support" / "aws_stand_in.py")
        # Its word about the baseline's address; of the canary it thinks well.
        (folder / "docqa").write_text('#!/bin/sh\ncase "$*" in "smoke --target site"*) exit $SITE_IS;; esac\n')
        (folder / "docqa").chmod(0o755)
        containers = [{"name": name, "image": "old"} for name in ("docqa-bus", "docqa-ingress", "docqa-worker")]
        first = {"family": "docqa", "containerDefinitions": [*containers, {"name": "nginx", "image": "nginx"}]}
        services = {
            name: {"serviceArn": name, "taskDefinition": "docqa:1", "runningCount": count, "log": []}
            for name, count in (("site", 1), ("canary", 0))
        }
        self._state.write_text(json.dumps({"services": services, "definitions": {"docqa:1": first}, "tags": {}}))

    @property
    def state(self) -> Any:
        return json.loads(self._state.read_text())

    def run(self, script: str, image: str, site_is: int = 0) -> "subprocess.CompletedProcess[str]":
        environment = {
            "PATH": f"{self.folder}:{os.environ['PATH']}",
            "AWS_STATE": str(self._state),
            "DOCQA": str(self.folder / "docqa"),
            "SITE_IS": str(site_is),
            **{"ECS_CLUSTER": "prod", "ECS_SERVICE": "site", "ECS_CANARY_SERVICE": "canary"},
            **{"ECS_BASELINE_URL": "site", "ECS_CANARY_URL": "canary"},
        }
        command: list[str] = [str(CI / script), "ecs", image]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    def images(self, definition: str) -> list[str]:
        return [container["image"] for container in self.state["definitions"][definition]["containerDefinitions"]]


@pytest.fixture
def ecs(tmp_path: Path) -> Ecs:
    debian.ensure("jq")
    return Ecs(tmp_path)


def test_on_ecs_a_canary_runs_beside_what_serves_and_is_gone_afterwards(ecs: Ecs) -> None:
    done = ecs.run("canary.sh", "image@sha256:1")
    assert done.returncode == 0, done.stderr
    services = ecs.state["services"]
    assert services["canary"]["log"] == [["docqa:2", 1], ["docqa:2", 0]]
    assert ecs.images("docqa:2") == ["image@sha256:1"] * 3 + ["nginx"]
    assert services["site"]["log"] == []


def test_on_ecs_a_release_takes_the_place_of_what_runs_and_goes_back_by_itself_when_it_fails(ecs: Ecs) -> None:
    assert ecs.run("promote.sh", "image@sha256:1").returncode == 0
    state = ecs.state
    assert (state["services"]["site"]["taskDefinition"], state["tags"]) == (
        "docqa:2",
        {"site": {"previous": "docqa:1"}},
    )
    failed = ecs.run("promote.sh", "image@sha256:2", site_is=1)
    assert failed.returncode == 1
    assert "what ran before does not do its work either" in failed.stderr
    assert [definition for definition, _ in ecs.state["services"]["site"]["log"]] == ["docqa:2", "docqa:3", "docqa:2"]


def test_on_ecs_a_rollback_by_hand_returns_to_the_task_definition_before(ecs: Ecs) -> None:
    assert ecs.run("rollback.sh", "").returncode == 1, "nothing was promoted yet"
    assert ecs.run("promote.sh", "image@sha256:1").returncode == 0
    assert ecs.run("rollback.sh", "").returncode == 0
    assert ecs.state["services"]["site"]["taskDefinition"] == "docqa:1"
