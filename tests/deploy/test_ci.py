"""The pipeline: its workflow as it stands, and its scripts run against local stacks: good, slow and broken releases."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.checkers import ROOT, check

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


class Site:
    """A machine of the target `local`: its folder, its address, and releases of the echo engine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.http = f"127.0.0.1:{probe.getsockname()[1]}"

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


def test_on_ecs_a_rollback_returns_to_the_task_definition_before(tmp_path: Path) -> None:
    aws = tmp_path / "aws"
    aws.write_text(
        '#!/bin/sh\necho "$*" >>"$0.log"\ncase "$*" in *list-tags*) echo before:7;; *describe*) echo before:7;; esac\n',
        encoding="utf-8",
    )
    aws.chmod(0o755)
    docqa = tmp_path / "docqa"
    docqa.write_text("#!/bin/sh\n", encoding="utf-8")
    docqa.chmod(0o755)
    names = ("ECS_CLUSTER", "ECS_SERVICE", "ECS_CANARY_SERVICE", "ECS_BASELINE_URL", "ECS_CANARY_URL")
    environment = {**{name: name.lower() for name in names}, "PATH": f"{tmp_path}:/usr/bin:/bin", "DOCQA": str(docqa)}
    done = subprocess.run(
        [CI / "rollback.sh", "ecs"], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "update-service --cluster ecs_cluster --service ecs_service --task-definition before:7" in (
        tmp_path / "aws.log"
    ).read_text(encoding="utf-8")
