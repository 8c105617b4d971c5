"""Writes dashboard.json, the one dashboard of Goblin DocQA, from the list of panels below.

    python deploy/monitoring/grafana/generate.py

Needs the standard library only. A test holds the file to this program, and every metric in it to a running stack.
"""

import json
from pathlib import Path
from typing import Any, Final, NamedTuple

FILE: Final = Path(__file__).with_name("dashboard.json")
COLUMNS: Final = 24
PROMETHEUS: Final = {"type": "prometheus", "uid": "docqa-prometheus"}
LOKI: Final = {"type": "loki", "uid": "docqa-loki"}


class Panel(NamedTuple):
    """A graph: what it is called, its lines as (legend, expression), and in which of Grafana's units."""

    title: str
    unit: str
    lines: list[tuple[str, str]]
    about: str = ""


class Row(NamedTuple):
    """Panels side by side, under a heading."""

    title: str
    panels: list[Panel]


def quantiles(histogram: str, *shares: float) -> list[tuple[str, str]]:
    """One line a share, over all series of a histogram."""
    return [
        (
            f"p{share * 100:g}",
            f"histogram_quantile({share:g}, sum by (le) (rate({histogram}_bucket[$__rate_interval])))",
        )
        for share in shares
    ]


def mean(title: str, histogram: str) -> tuple[str, str]:
    over = "[$__rate_interval]"
    return title, f"sum(rate({histogram}_sum{over})) / sum(rate({histogram}_count{over}))"


def rate(metric: str, by: str = "") -> str:
    grouped = f"sum by ({by}) " if by else "sum"
    return f"{grouped}(rate({metric}[$__rate_interval]))"


ROWS: Final = [
    Row(
        "Load",
        [
            Panel(
                "Queue",
                "short",
                [
                    ("waiting and running", "docqa_job_queue_length"),
                    ("running", "docqa_jobs_running"),
                    ("capacity", "docqa_job_queue_capacity"),
                ],
                "At the capacity new questions are refused with 429.",
            ),
            Panel(
                "Throughput",
                "ops",
                [
                    ("answered", rate("docqa_jobs_completed_total")),
                    ("failed", rate("docqa_jobs_failed_total")),
                    ("started", rate("docqa_jobs_started_total")),
                ],
                "Jobs a second.",
            ),
            Panel(
                "Refused with 429",
                "percentunit",
                [("of all questions", "docqa:requests:refused_ratio_rate5m")],
            ),
            Panel(
                "Requests",
                "reqps",
                [("{{endpoint}} {{status_code}}", rate("goblin_docqa_requests_total", "endpoint, status_code"))],
            ),
        ],
    ),
    Row(
        "Latency",
        [
            Panel(
                "From acceptance to the answer",
                "s",
                quantiles("docqa_job_duration_seconds", 0.5, 0.95, 0.99),
            ),
            Panel(
                "First token",
                "s",
                quantiles("docqa_time_to_first_token_seconds", 0.5, 0.95, 0.99),
                "From acceptance to the first piece of the answer.",
            ),
            Panel(
                "Where the time goes",
                "s",
                [
                    mean("waiting", "docqa_queue_wait_seconds"),
                    mean("prefill", "docqa_prefill_seconds"),
                    mean("decode", "docqa_decode_seconds"),
                ],
                "Mean seconds of a job.",
            ),
            Panel(
                "Small jobs late or failed",
                "percentunit",
                [("5 min", "docqa:small_jobs:late_ratio_rate5m"), ("1 h", "docqa:small_jobs:late_ratio_rate1h")],
                "The objective: at most 1% over a month.",
            ),
        ],
    ),
    Row(
        "Model",
        [
            Panel(
                "Slots",
                "short",
                [("busy", "sum(docqa_slots_busy)"), ("all", "sum(docqa_slots)")],
            ),
            Panel(
                "Tokens a second",
                "short",
                [
                    ("read", f"{rate('docqa_prompt_tokens_total')} - {rate('docqa_cached_tokens_total')}"),
                    ("made", rate("docqa_generated_tokens_total")),
                ],
            ),
            Panel(
                "Prefix hits",
                "percentunit",
                [
                    (
                        "of the prompt tokens",
                        f"{rate('docqa_cached_tokens_total')} / {rate('docqa_prompt_tokens_total')}",
                    )
                ],
                "Tokens of prompts that were in the model's memory and not read again.",
            ),
            Panel(
                "Inference",
                "s",
                quantiles("docqa_inference_latency_seconds", 0.5, 0.95),
                "From a job's start to its whole answer.",
            ),
        ],
    ),
    Row(
        "Local and proxy",
        [
            Panel(
                "Answers by backend",
                "ops",
                [
                    ("local", rate("local_calls_total")),
                    ("proxy", rate("proxy_calls_total")),
                    ("cache", rate("docqa_answer_cache_hits_total")),
                ],
            ),
            Panel(
                "Proxy tokens",
                "short",
                [("tokens a second", rate("docqa_proxy_tokens_used_total"))],
            ),
            Panel(
                "Tokens saved by answering here",
                "short",
                [
                    (
                        "local",
                        "sum(increase(docqa_prompt_tokens_total[1h]))"
                        " + sum(increase(docqa_generated_tokens_total[1h]))",
                    ),
                    ("charged by the proxy", "sum(increase(docqa_proxy_tokens_used_total[1h]))"),
                ],
                "Within an hour: what the proxy would have charged for the local model's work, and what it charged.",
            ),
            Panel(
                "Today's budget",
                "short",
                [("used", "docqa_proxy_budget_used_tokens"), ("limit", "docqa_proxy_budget_limit_tokens")],
            ),
        ],
    ),
    Row(
        "Machine",
        [
            Panel(
                "Memory",
                "bytes",
                [
                    ("{{service}}", 'goblin_docqa_process_memory_bytes{type="rss"}'),
                    ("{{service}} limit", "docqa_memory_limit_bytes"),
                ],
            ),
            Panel(
                "CPU",
                "short",
                [("{{service}}", "rate(goblin_docqa_process_cpu_seconds_total[$__rate_interval])")],
                "Cores in use.",
            ),
            Panel(
                "Uptime",
                "s",
                [("{{service}}", 'time() - process_start_time_seconds{job="docqa"}')],
            ),
            Panel(
                "Bus and workers",
                "short",
                [("bus, {{service}}", "docqa_bus_connected"), ("live workers", "docqa_workers_live")],
            ),
        ],
    ),
    Row(
        "Documents",
        [
            Panel(
                "Waiting to be read",
                "short",
                [
                    ("uploads", "docqa_library_queue_length"),
                    ("files of DOCQA_ROOT", "docqa_library_root_waiting"),
                    ("without vectors", "docqa_library_versions_without_vectors"),
                ],
            ),
            Panel("Pages a second", "short", [("read", rate("docqa_library_pages_total"))]),
            Panel(
                "Failed by reason",
                "short",
                [("{{code}}", "sum by (code) (increase(docqa_library_failures_total[1h]))")],
            ),
            Panel(
                "Kept",
                "bytes",
                [
                    ("texts and index", "docqa_library_store_bytes"),
                    ("originals", "docqa_library_originals_bytes"),
                    ("spool", "docqa_library_spool_bytes"),
                ],
            ),
        ],
    ),
    Row(
        "Troubles",
        [
            Panel(
                "Oldest job",
                "s",
                [
                    ("on the stream", "docqa_oldest_job_age_seconds"),
                    ("waiting at {{instance}}", "docqa_oldest_waiting_job_age_seconds"),
                ],
            ),
            Panel(
                "Failures by reason",
                "short",
                [("{{code}}", "sum by (code) (increase(docqa_job_failures_total[5m]))")],
            ),
            Panel(
                "Dead letters, redeliveries, stuck",
                "short",
                [
                    ("dead letters", "sum(increase(docqa_dead_letters_total[5m]))"),
                    ("redeliveries", "sum(increase(docqa_redeliveries_total[5m]))"),
                    ("stuck", "docqa_stuck_messages"),
                ],
            ),
            Panel(
                "Redactions",
                "short",
                [("{{kind}}", "sum by (kind) (increase(docqa_redactions_total[5m]))")],
            ),
        ],
    ),
]


def dashboard() -> dict[str, Any]:
    """The whole, as Grafana takes it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for row in ROWS:
        panels.append(_heading(row.title, top, len(panels)))
        width = COLUMNS // len(row.panels)
        for column, panel in enumerate(row.panels):
            place = {"x": column * width, "y": top + 1, "w": width, "h": 8}
            panels.append(_graph(panel, place, len(panels)))
        top += 9
    panels.append(_logs(top, len(panels)))
    return {
        "uid": "goblin-docqa",
        "title": "Goblin DocQA",
        "tags": ["docqa"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "15s",
        "time": {"from": "now-3h", "to": "now"},
        "panels": panels,
    }


def _heading(title: str, top: int, number: int) -> dict[str, Any]:
    place = {"x": 0, "y": top, "w": COLUMNS, "h": 1}
    return {"id": number + 1, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}


def _graph(panel: Panel, place: dict[str, int], number: int) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + index), "datasource": PROMETHEUS, "expr": expression, "legendFormat": legend}
        for index, (legend, expression) in enumerate(panel.lines)
    ]
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.about,
        "datasource": PROMETHEUS,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": targets,
    }


def _logs(top: int, number: int) -> dict[str, Any]:
    """Warnings and worse of all services."""
    return {
        "id": number + 1,
        "type": "logs",
        "title": "Warnings and errors",
        "datasource": LOKI,
        "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 8},
        "options": {"showTime": True, "wrapLogMessage": True, "sortOrder": "Descending"},
        "targets": [{"refId": "A", "datasource": LOKI, "expr": '{job="docqa", level=~"warning|error|critical"}'}],
    }


def text() -> str:
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
