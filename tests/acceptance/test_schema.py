"""The API holds what its own description says: schemathesis tries to show that it does not."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ingress.api.openapi import document
from tests.support.stack import Stack, Start

LEFT_OUT = {
    "positive_data_acceptance": (
        "JSON Schema takes 1.0 for an integer and msgspec does not; a key that came before with another body is "
        "refused with 422 although the request itself is in order"
    ),
}
"""Checks that are not made, each with its reason."""

# A deadline of a moment has passed before any answer: 504 is what the description says of it.
CONFIG = """
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 504]
"""
SEED = "1"
OF_THE_LIBRARY = "^/(api/(documents|search)|v1/(files|embeddings))"


@pytest.mark.slow
def test_schemathesis_finds_nothing(start: Start, tmp_path: Path) -> None:
    stack = start(queue_size=500)
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{stack.ready().http}/schema"]
    (tmp_path / "schemathesis.toml").write_text(CONFIG, encoding="utf-8")
    command += [
        "--seed",
        SEED,
        "--max-examples",
        "40",
        "--request-timeout",
        "20",
        # What the library answers depends on what was uploaded: below they are only held to never fail inside.
        "--exclude-path-regex",
        OF_THE_LIBRARY,
        "--exclude-checks",
        ",".join(LEFT_OUT),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_no_upload_search_file_or_vector_makes_it_fail_inside(start: Start, tmp_path: Path) -> None:
    stack = start(queue_size=500)
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{stack.ready().http}/schema"]
    (tmp_path / "schemathesis.toml").write_text(CONFIG, encoding="utf-8")
    command += ["--seed", SEED, "--max-examples", "8", "--request-timeout", "20", "--phases", "fuzzing"]
    command += ["--include-path-regex", OF_THE_LIBRARY, "--checks", "not_a_server_error"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout


async def test_the_description_is_json_and_names_nothing_outside(echo: Stack) -> None:
    async with echo.client() as client:
        response = await client.http.get("/schema")
    assert response.headers["content-type"] == "application/json"
    assert response.json()["openapi"].startswith("3.1")
    assert not re.findall(r"https?://[^\"]*", response.text)


async def test_every_described_route_is_there_and_tells_its_methods(echo: Stack) -> None:
    async with echo.client() as client:
        for path, operations in document("1")["paths"].items():
            url = path.replace("{job_id}", "00000000-0000-4000-8000-000000000000")
            allowed = (await client.http.options(url)).headers["allow"]
            assert {method.upper() for method in operations} <= set(allowed.replace(" ", "").split(",")), path
