"""The monitoring in earnest: the rules under promtool, and a Prometheus that watches a stack through a spike."""

import asyncio
import contextlib
import json
import re
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.deploy.support import debian
from tests.deploy.support.checkers import BIN, check
from tests.deploy.support.places import DEPLOY
from tests.support.stack import Options, Stack, running
from tests.support.waiting import eventually
from tests.unit.deploy.test_monitoring import expressions_of_panels

MONITORING = DEPLOY / "monitoring"
PROMETHEUS = MONITORING / "prometheus"

_PARSE = "import json, sys, promql_parser\nfor text in json.load(sys.stdin): promql_parser.parse(text)"


@pytest.fixture(scope="module", autouse=True)
def _prometheus() -> None:
    debian.ensure("prometheus", "prometheus-alertmanager")


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Ten places, and jobs of a second: a spike fills them for some seconds."""
    with running(Options(queue_size=10, slots=2, echo_delay_s=1.0)) as stack:
        yield stack


def passes(*command: str | Path, cwd: Path = MONITORING, text: str | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_takes_the_configuration_and_the_rules() -> None:
    passes("promtool", "check", "config", PROMETHEUS / "prometheus.yml")


def test_every_alert_fires_when_it_should_and_is_silent_when_it_should_not() -> None:
    passes("promtool", "test", "rules", "alerts.yml", cwd=PROMETHEUS / "tests")


def test_amtool_takes_the_configuration() -> None:
    passes("amtool", "check-config", MONITORING / "alertmanager" / "alertmanager.yml")


def test_every_yaml_file_is_well_formed() -> None:
    check("yamllint", "--no-warnings", "-d", "relaxed", MONITORING)


def test_every_panel_s_expression_parses() -> None:
    if not (BIN / "python").exists():
        pytest.skip("promql-parser is not installed: run `make checkers`")
    expressions = [_at_five_minutes(expression) for expression in expressions_of_panels()]
    passes(BIN / "python", "-c", _PARSE, text=json.dumps(expressions))


@pytest.mark.parametrize("part", ["ingress", "worker", "library"])
async def test_promtool_finds_nothing_wrong_with_a_service_s_metrics(stack: Stack, part: Any) -> None:
    async with stack.client() as client:
        assert (await client.ask("Who?")).status_code == 200
    passes("promtool", "check", "metrics", text=await stack.metrics(part))


async def test_a_prometheus_sees_the_queue_s_alert_fire_under_a_spike_and_clear(stack: Stack, tmp_path: Path) -> None:
    """The shipped configuration and rules, with a shorter `for` and scraped more often."""
    async with watching(stack, tmp_path) as prometheus:
        await eventually(lambda: _is_up(prometheus), "all services are scraped", 30, every_s=0.5)
        assert await _state_of(prometheus, "DocQAHighQueue") == "inactive"
        async with stack.client() as client, asyncio.timeout(60):
            spike = asyncio.create_task(_keep_full(client))
            await eventually(lambda: _is(prometheus, "firing"), "the alert fires", 30, every_s=0.5)
            spike.cancel()
        await eventually(lambda: _is(prometheus, "inactive"), "the alert clears", 30, every_s=0.5)
        for expression in expressions_of_panels():
            answer = await _asked(prometheus, "query", query=_at_five_minutes(expression))
            assert answer["status"] == "success", expression


@contextlib.asynccontextmanager
async def watching(stack: Stack, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A Prometheus on the shipped rules, as a client of its API."""
    config = _hurried(stack, folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"]
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, f"--web.listen-address={address}", stdout=log, stderr=log
        )
    try:
        async with httpx.AsyncClient(base_url=f"http://{address}/api/v1/", trust_env=False) as client:
            yield client
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 20)


def _hurried(stack: Stack, folder: Path) -> Path:
    """The shipped files, made for this stack's addresses and for a test's patience."""
    (folder / "rules").mkdir()
    for path in (PROMETHEUS / "rules").glob("*.yml"):
        rules, changed = re.subn(r"(alert: DocQAHighQueue\n.*\n +for: )2m", r"\g<1>2s", path.read_text())
        assert changed == (path.name == "alerts.yml")
        (folder / "rules" / path.name).write_text(rules)
    config = (PROMETHEUS / "prometheus.yml").read_text()
    metrics = stack.ready().metrics
    for usual, part in (("127.0.0.1:9108", "ingress"), ("127.0.0.1:9109", "worker"), ("127.0.0.1:9110", "library")):
        address = metrics[part].removeprefix("http://").removesuffix("/metrics")
        assert usual in config
        config = config.replace(usual, address)
    (folder / "prometheus.yml").write_text(config.replace(": 15s", ": 1s"))
    return folder / "prometheus.yml"


async def _keep_full(client: Any) -> None:
    number = 0
    while True:
        number += 1
        await client.post(f"Question {number}?")
        await asyncio.sleep(0.05)


async def _asked(prometheus: httpx.AsyncClient, what: str, **parameters: str) -> Any:
    return (await prometheus.get(what, params=parameters)).json()


async def _is_up(prometheus: httpx.AsyncClient) -> bool:
    try:
        found = (await _asked(prometheus, "query", query='sum(up{job="docqa"})'))["data"]["result"]
    except (httpx.TransportError, json.JSONDecodeError):
        return False
    return bool(found) and found[0]["value"][1] == "3"


async def _is(prometheus: httpx.AsyncClient, state: str) -> bool:
    return await _state_of(prometheus, "DocQAHighQueue") == state


async def _state_of(prometheus: httpx.AsyncClient, alert: str) -> str:
    groups = (await _asked(prometheus, "rules", type="alert"))["data"]["groups"]
    [state] = [rule["state"] for group in groups for rule in group["rules"] if rule["name"] == alert]
    return str(state)


def _at_five_minutes(expression: str) -> str:
    """Grafana fills its own variable in."""
    return expression.replace("$__rate_interval", "5m")
