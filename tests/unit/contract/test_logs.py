"""What a service writes: JSON lines in production, readable lines elsewhere."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, logging, sys, structlog
from contract.runtime import logs
from contract.topology import JobName

logs.configure(sys.argv[1], "worker")
log = structlog.get_logger("docqa")

async def serve(number):
    logs.about_job(JobName("http", "c%d" % number, "00000000-0000-7000-8000-00000000000%d" % number), "00-ab-cd-01")
    await asyncio.sleep(0)
    log.info("served", number=number)
    log.debug("a question's text")

async def main():
    await asyncio.gather(serve(1), serve(2))
    log.info("after")
    logging.getLogger("a.library").warning("trouble")

asyncio.run(main())
"""


def written(environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, environment], capture_output=True, text=True, check=True, timeout=30
    )
    assert not done.stdout
    return done.stderr.splitlines()


def test_in_production_each_line_is_json_and_names_its_own_job() -> None:
    lines = [json.loads(line) for line in written("production")]
    assert all({"event", "level", "timestamp", "service"} <= line.keys() for line in lines)
    served = {line["number"]: line for line in lines if line["event"] == "served"}
    for number, line in served.items():
        assert line["job"] == f"http.c{number}.00000000-0000-7000-8000-00000000000{number}"
        assert (line["client"], line["traceparent"]) == (f"c{number}", "00-ab-cd-01")
    assert [line["event"] for line in lines if "job" not in line] == ["after", "trouble"]


@pytest.mark.parametrize("environment", ["production", "development"])
def test_below_info_nothing_is_written(environment: str) -> None:
    assert not [line for line in written(environment) if "text" in line]
