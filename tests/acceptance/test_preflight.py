"""`docqa preflight` as an operator runs it: beside a running stack, and before one that would not start."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.support.gguf import gguf
from tests.support.stack import Stack


def preflight(stack: Stack, *arguments: str, **environment: str) -> tuple[int, dict[str, Any]]:
    ready = stack.ready()
    as_it_runs = {
        "DOCQA_DATA_DIR": str(ready.data_dir),
        "DOCQA_UDS": str(ready.uds),
        "DOCQA_PORT": ready.http.rpartition(":")[2],
        "DOCQA_METRICS_ADDR": ready.metrics["ingress"].removeprefix("http://").removesuffix("/metrics"),
        "DOCQA_ENGINE": "echo",
        "DOCQA_SLOTS": "4",
        "MAX_QUEUE_SIZE": "60",
    }
    done = subprocess.run(
        [sys.executable, "-m", "ops", "preflight", "--json", *arguments],
        env={**stack.environment, **as_it_runs, **environment},
        cwd=stack.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def test_beside_a_running_stack_what_it_holds_is_no_failure(echo: Stack) -> None:
    code, found = preflight(echo)
    by_name = {check["name"]: check for check in found["checks"]}
    assert (code, found["ok"], found["failures"]) == (0, True, 0), found
    assert "held by the running stack (0660)" in by_name["socket"]["detail"]
    assert "held by the running stack" in by_name["port"]["detail"]
    assert "running" in by_name["nats-server"]["detail"]
    assert by_name["sync_always"]["detail"].startswith("in force")
    assert by_name["clock of the bus"]["status"] == "ok"
    assert by_name["queue"]["status"] == "ok"
    assert by_name["role library"]["detail"] == "the running library answers"
    assert by_name["documents"]["status"] == by_name["embedder"]["status"] == "ok"


def test_a_start_that_would_fail_is_told_with_its_cure(echo: Stack) -> None:
    code, found = preflight(echo, DOCQA_ENGINE="llama", MODEL_NAME="none.gguf", MODEL_PATH=str(echo.folder))
    failed = [check for check in found["checks"] if check["status"] == "failure"]
    assert (code, found["ok"]) == (1, False)
    assert ["has no file none.gguf" in check["detail"] and bool(check["cure"]) for check in failed] == [True]


@pytest.mark.parametrize(
    "content", [b"", b"not a model", b"GGUF\x03\0\0\0", gguf()[:-5]], ids=["empty", "text", "head", "cut"]
)
def test_of_a_broken_model_file_preflight_says_what_the_start_says(echo: Stack, content: bytes) -> None:
    (echo.folder / "broken.gguf").write_bytes(content)
    model = {"DOCQA_ENGINE": "llama", "MODEL_NAME": "broken.gguf", "MODEL_PATH": str(echo.folder)}
    _, found = preflight(echo, **model)
    [failed] = [check for check in found["checks"] if check["status"] == "failure"]
    data_dir = str(echo.ready().data_dir)
    started = subprocess.run(
        [sys.executable, "-m", "ops", "worker", "--data-dir", data_dir],
        env={**echo.environment, **model, "DOCQA_METRICS_ADDR": "127.0.0.1:0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert started.returncode == 2
    assert failed["detail"] in started.stderr


def test_strict_lets_a_warning_fail(echo: Stack) -> None:
    code, found = preflight(echo, "--strict", MAX_QUEUE_SIZE="7")
    assert (code, found["ok"], found["failures"]) == (1, False, 0)
    assert found["warnings"] >= 2


def test_a_port_of_a_stack_on_another_folder_is_a_failure(echo: Stack) -> None:
    elsewhere = echo.folder / "elsewhere"
    code, found = preflight(echo, DOCQA_DATA_DIR=str(elsewhere), DOCQA_UDS=str(elsewhere / "s"))
    failed = [check["name"] for check in found["checks"] if check["status"] == "failure"]
    assert (code, failed) == (1, ["port"])
