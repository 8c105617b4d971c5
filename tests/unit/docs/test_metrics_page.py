"""The page of metrics is held to the code."""

import re
from pathlib import Path
from types import ModuleType

from prometheus_client.metrics import MetricWrapperBase

import contract.runtime.metrics
import inference_worker.monitoring.metrics
import ingress.middleware.metrics
import library.metrics
from contract.runtime.metrics import ProcessCollector

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"

_ROW = re.compile(r"^\| *`(?P<name>\w+)` *\| *(\w+) *\| *(.*?) *\| *(\w+) *\| *(.*?) *\|$", re.MULTILINE)

Row = tuple[str, str, frozenset[str], str]
"""Name, type, labels, service."""


def rows() -> list[tuple[str, ...]]:
    return [row.groups() for row in _ROW.finditer(PAGE.read_text(encoding="utf-8"))]


def shown_by(module: ModuleType, service: str) -> set[Row]:
    """The metrics that a module makes; those that it imports are another's."""
    own = [value for value in vars(module).values() if isinstance(value, MetricWrapperBase)]
    foreign = [value for value in vars(contract.runtime.metrics).values() if module is not contract.runtime.metrics]
    families = {metric: next(iter(metric.describe())) for metric in own if metric not in foreign}
    return {
        (_name(family.name, family.type), family.type, frozenset(metric._labelnames), service)
        for metric, family in families.items()
    }


def shown_by_process() -> set[Row]:
    return {
        (_name(family.name, family.type), family.type, frozenset(family.samples[0].labels), "both")
        for family in ProcessCollector("ingress").collect()
    }


def _name(family: str, kind: str) -> str:
    """What the samples are called."""
    return f"{family.removesuffix('_total')}_total" if kind == "counter" else family


def test_the_page_lists_each_metric_of_the_code_with_its_type_labels_and_service() -> None:
    in_code = (
        shown_by(contract.runtime.metrics, "both")
        | shown_by_process()
        | shown_by(ingress.middleware.metrics, "ingress")
        | shown_by(inference_worker.monitoring.metrics, "worker")
        | shown_by(library.metrics, "library")
    )
    on_page = {
        (name, kind, frozenset(re.findall(r"`(\w+)`", labels)), service) for name, kind, labels, service, _ in rows()
    }
    assert on_page == in_code


def test_no_metric_is_listed_twice_and_each_has_a_meaning() -> None:
    names = [row[0] for row in rows()]
    assert len(names) == len(set(names))
    assert not [row[0] for row in rows() if len(row[4]) < 5 and row[4] != "the same"]
