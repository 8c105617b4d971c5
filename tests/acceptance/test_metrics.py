"""What Prometheus reads after some traffic."""

from typing import Literal

from prometheus_client.parser import text_string_to_metric_families

from tests.support.client import problem
from tests.support.ledger import queue_is_empty
from tests.support.stack import Stack, Start
from tests.support.waiting import eventually
from tests.unit.deploy.test_monitoring import (
    BY_PROMETHEUS_ITSELF,
    expressions_of_panels,
    expressions_of_rules,
    names_in,
)
from tests.unit.docs.test_metrics_page import rows

Part = Literal["ingress", "worker", "library"]

NAMES = {
    "docqa_job_queue_length",
    "docqa_job_queue_capacity",
    "docqa_jobs_started_total",
    "docqa_jobs_completed_total",
    "docqa_jobs_failed_total",
    "docqa_job_duration_seconds_count",
    "docqa_job_duration_seconds_bucket",
    "docqa_requests_429_total",
}


async def test_after_some_traffic_the_metrics_tell_it(start: Start) -> None:
    """Answers, a failure and refusals are counted; the queue's length is what /health says."""
    stack = start(queue_size=3, slots=1, echo_delay_s=0.6)
    async with stack.client() as client, stack.bus() as bus:
        answers = [(await client.ask(f"Question {n}?")).status_code for n in range(2)]
        assert answers == [200, 200]
        problem(await client.ask("Too slow?", deadline_s=0.1), 504)
        await queue_is_empty(bus)
        codes = [(await client.post(f"Question {n}?")).status_code for n in range(8)]
        assert codes.count(429) >= 3

        async def length_is_depth() -> bool:
            # Read one after the other while the queue drains: alike before long, if they count the same.
            page = await _samples(stack)
            depth: int = (await client.health())["queue_depth"]
            return page["docqa_job_queue_length"] == depth

        await eventually(length_is_depth, "the metric is what /health says")
        await queue_is_empty(bus)

        async def all_is_counted() -> bool:
            page = await _samples(stack)
            return page["docqa_jobs_completed_total"] == 2 + codes.count(202)

        await eventually(all_is_counted, "all answers are counted")
        page = await _samples(stack)
    assert page.keys() >= NAMES
    assert page["docqa_job_queue_length"] == 0
    assert page["docqa_job_queue_capacity"] == 3
    assert page["docqa_requests_429_total"] == codes.count(429)
    assert page["docqa_jobs_started_total"] >= page["docqa_jobs_completed_total"]
    assert page["docqa_jobs_failed_total"] >= 1
    assert page["docqa_job_duration_seconds_count"] >= page["docqa_jobs_completed_total"]


async def test_a_running_stack_shows_every_metric_of_the_page_and_all_that_rules_and_panels_name(echo: Stack) -> None:
    """On the service that the page says."""
    async with echo.client() as client:
        assert (await client.ask("Is sk-ant-aaaaaaaaaaaaaaaaaaaaaaaaa mine?")).status_code == 200
    parts: tuple[Part, ...] = ("ingress", "worker", "library")
    shown: dict[str, set[str]] = {part: await _families(echo, part) for part in parts}
    for name, _, _, service, _ in rows():
        for part in ("ingress", "worker") if service == "both" else (service,):
            assert name.removesuffix("_total") in shown[part], f"{name} is not shown by the {part}"
    named = names_in(expressions_of_rules() + "\n".join(expressions_of_panels())) - BY_PROMETHEUS_ITSELF
    assert {name.removesuffix("_total") for name in named} <= set().union(*shown.values())


async def _families(stack: Stack, part: Part) -> set[str]:
    return {family.name for family in text_string_to_metric_families(await stack.metrics(part))}


async def test_the_ingress_shows_its_metrics_to_its_clients_too(echo: Stack) -> None:
    async with echo.client() as client:
        response = await client.http.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
    assert "docqa_job_queue_length" in response.text


async def _samples(stack: Stack) -> dict[str, float]:
    """Both pages together, summed over labels."""
    samples: dict[str, float] = {}
    for page in (await stack.metrics("ingress"), await stack.metrics("worker")):
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                samples[sample.name] = samples.get(sample.name, 0.0) + sample.value
    return samples
