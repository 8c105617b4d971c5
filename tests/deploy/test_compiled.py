"""The install that operators run: all from the registry, llama.cpp compiled on the machine, uv installed by the script.

It compiles for minutes, so only by name: `COMPILED=true make test-deploy`. test_boot.py does all else with wheels.
"""

import os
from typing import Final

import pytest

from tests.deploy.support import debian
from tests.deploy.support.deployed import PREFIX, Deployed
from tests.deploy.support.machine import booted

COMPILES_WITHIN_S: Final = 3000
ENSURE: Final = {"ENSURE_USER": "true", "ENSURE_MODELS_DIR": "true", "ENSURE_PIP_INSTALL": "true"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(os.environ.get("COMPILED") != "true", reason="compiles llama.cpp: COMPILED=true runs it"),
]


async def test_an_install_that_compiles_llama_cpp_answers_and_a_second_one_compiles_nothing() -> None:
    with booted() as machine:
        docqa = Deployed(machine, compiled=True)
        machine.run("apt-get", "update", "-qq")
        machine.run("apt-get", "install", "-y", "-qq", "--no-install-recommends", "g++", "ca-certificates")
        debian.trust_as_here(machine.root)
        settings = {"RUN_POST_DEPLOY_TEST": "true", "SSL_CERT_FILE": debian.CERTIFICATES, **ENSURE}
        first = docqa.deploy(environment=settings, within_s=COMPILES_WITHIN_S)
        assert "the post-deploy test passed" in first.stdout
        async with docqa.client() as client:
            response = await client.ask("What is a goblin?", max_tokens=4)
        assert (response.status_code, response.json()["status"]) == (200, "done")
        second = docqa.deploy(environment=settings)
        assert "making the release" not in second.stdout
        machine.run("test", "-x", f"{PREFIX}/current/venv/bin/nats-server")
        machine.power_off()
