"""The rules and the dashboard as files: what they name is there, and each alert leads somewhere.

Reads the rules by line: they are written in one form, which the tests of `tests/deploy` parse in earnest.
"""

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
MONITORING = ROOT / "deploy" / "monitoring"
RULES = MONITORING / "prometheus" / "rules"
CASES = (MONITORING / "prometheus" / "tests" / "alerts.yml").read_text(encoding="utf-8")
ALERTS = re.findall(r"- alert: (\w+)", (RULES / "alerts.yml").read_text(encoding="utf-8"))
DASHBOARD = MONITORING / "grafana" / "dashboard.json"

ASKED_FOR = {
    "DocQAHighQueue",
    "DocQAMemoryHigh",
    "DocQARestarting",
    "DocQANoWorker",
    "DocQABusAway",
    "DocQAOldestJobTooOld",
    "DocQAStuckMessages",
    "DocQADeadLetters",
    "DocQAErrorRatio",
    "DocQARefusing",
    "DocQABackupStale",
    "DocQABudgetNearlyUsed",
    "DocQASmallJobsLateFast",
    "DocQASmallJobsLateSlow",
    "DocQALibraryBehind",
    "DocQADocumentsFailing",
}
BY_PROMETHEUS_ITSELF = {"up"}
BY_ITS_CLIENT = {"process_resident_memory_bytes", "process_start_time_seconds"}

_NAME = re.compile(r"\b(?:docqa|goblin_docqa|process|local|proxy)_\w+|\bup\b")


def expressions_of_rules() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(RULES.glob("*.yml")))


def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"] if panel["type"] != "row"]


def expressions_of_panels() -> list[str]:
    return [target["expr"] for panel in panels() if panel["type"] == "timeseries" for target in panel["targets"]]


def names_in(text: str) -> set[str]:
    """The metrics that expressions name, without the suffixes of a histogram's series."""
    code = re.sub(r"#.*|(?m:^ *(?:summary|description|runbook_url|- alert|- name):.*)", "", text)
    return {re.sub(r"(?<=_seconds)_(bucket|sum|count)$", "", name) for name in _NAME.findall(code)}


def known() -> set[str]:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    return set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE)) | BY_PROMETHEUS_ITSELF | BY_ITS_CLIENT


def test_every_alert_that_was_asked_for_is_there() -> None:
    assert set(ALERTS) >= ASKED_FOR
    assert len(ALERTS) == len(set(ALERTS))


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_leads_to_a_heading_that_says_what_to_do(alert: str) -> None:
    runbook = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    rules = (RULES / "alerts.yml").read_text(encoding="utf-8")
    rule = rules.partition(f"- alert: {alert}\n")[2].partition("- alert:")[0]
    assert f"runbook_url: docs/operations.md#{alert.lower()}\n" in rule
    section = runbook.partition(f"### {alert}\n")[2].partition("\n#")[0]
    assert len(section) > 100


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_has_a_case_that_fires_and_one_that_is_silent(alert: str) -> None:
    cases = re.findall(rf"alertname: {alert}\n +eval_time: \S+\n +exp_alerts:(.*)", CASES)
    assert {case.strip() for case in cases} == {"", "[]"}


def test_every_metric_in_rules_and_panels_is_one_that_is_shown() -> None:
    named = names_in(expressions_of_rules()) | names_in("\n".join(expressions_of_panels()))
    assert len(named) > 30
    assert named <= known()


def test_what_panels_and_alerts_take_from_recording_rules_is_recorded() -> None:
    recorded = set(re.findall(r"- record: (\S+)", expressions_of_rules()))
    used = re.findall(r"docqa:[\w:]+", expressions_of_rules() + "\n".join(expressions_of_panels()))
    assert set(used) == recorded


def test_the_border_of_the_objective_is_written_as_the_client_writes_it() -> None:
    assert set(re.findall(r'le="([^"]+)"', expressions_of_rules())) == {"5.0"}


def test_the_dashboard_is_what_its_program_writes() -> None:
    spec = importlib.util.spec_from_file_location("generate_dashboard", MONITORING / "grafana" / "generate.py")
    assert spec
    assert spec.loader
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    assert DASHBOARD.read_text(encoding="utf-8") == program.text(), "run deploy/monitoring/grafana/generate.py"


def test_the_dashboard_shows_what_was_asked_for() -> None:
    shown = "\n".join(expressions_of_panels())
    for name in (
        "docqa_job_queue_length",
        "docqa_job_queue_capacity",
        "docqa_jobs_completed_total",
        "histogram_quantile(0.5, sum by (le) (rate(docqa_job_duration_seconds_bucket",
        "histogram_quantile(0.95, sum by (le) (rate(docqa_job_duration_seconds_bucket",
        "histogram_quantile(0.99, sum by (le) (rate(docqa_job_duration_seconds_bucket",
        "docqa_time_to_first_token_seconds",
        "goblin_docqa_process_memory_bytes",
        "goblin_docqa_process_cpu_seconds_total",
        "docqa:requests:refused_ratio_rate5m",
        "docqa_proxy_tokens_used_total",
        "local_calls_total",
        "docqa_slots_busy",
        "docqa_cached_tokens_total",
    ):
        assert name in shown


def test_panels_have_places_and_numbers_of_their_own() -> None:
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels()]
    numbers = [panel["id"] for panel in panels()]
    assert len(places) == len(set(places))
    assert len(numbers) == len(set(numbers))


def test_logs_are_kept_for_thirty_days() -> None:
    config = (MONITORING / "loki" / "loki.yml").read_text(encoding="utf-8")
    assert "retention_period: 720h" in config
    assert "retention_enabled: true" in config
