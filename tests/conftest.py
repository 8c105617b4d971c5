"""Fixtures for all tiers: real nats-servers."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.nats_server import RunningServer

# As the worker sets it for itself: tests that hold a model must not burn the cores of those beside them.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# A busy machine is no fault of what is tried: no test of a property fails for being slow.
settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")


@pytest.fixture
def bare_server(tmp_path: Path) -> Iterator[RunningServer]:
    """A nats-server with the project's account and roles, and nothing made in it."""
    server = RunningServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def server(bare_server: RunningServer) -> RunningServer:
    """The same, provisioned with the default settings."""
    await bare_server.provision()
    return bare_server
