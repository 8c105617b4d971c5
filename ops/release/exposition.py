"""Reads Prometheus' text format as sums: each metric over all its series, and requests by status code."""

from collections.abc import Mapping
from typing import Final

import msgspec

_REQUESTS: Final = "goblin_docqa_requests_total"


class Exposition(msgspec.Struct, frozen=True):
    """`values`: each metric's sum over all its labels. `requests`: requests by status code."""

    values: Mapping[str, float]
    requests: Mapping[str, float]

    @property
    def server_errors(self) -> float:
        return sum(count for status, count in self.requests.items() if status >= "500")


def read(text: str) -> Exposition:
    """Parse a page; raises ValueError if it is not in the format."""
    # Imported here, because it is slow to import.
    from prometheus_client.parser import text_string_to_metric_families

    values: dict[str, float] = {}
    requests: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            values[sample.name] = values.get(sample.name, 0.0) + sample.value
            if sample.name == _REQUESTS:
                status = sample.labels.get("status_code", "")
                requests[status] = requests.get(status, 0.0) + sample.value
    return Exposition(values, requests)


def merged(pages: list[Exposition]) -> Exposition:
    """Add up the pages of several processes."""
    values: dict[str, float] = {}
    requests: dict[str, float] = {}
    for page in pages:
        for into, found in ((values, page.values), (requests, page.requests)):
            for name, value in found.items():
                into[name] = into.get(name, 0.0) + value
    return Exposition(values, requests)
