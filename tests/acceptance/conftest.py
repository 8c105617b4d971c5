"""Stacks for the tests: two shared where tests do not disturb each other, and as many more as a test starts."""

import contextlib
import socket
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from tests.support.stack import Options, Stack, Start, all_running, running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows what the stacks that ran beside it wrote."""
    report = yield
    if report.failed:
        report.sections += [(f"docqa up in {stack.folder}", stack.log()) for stack in all_running]
    return report


@pytest.fixture(scope="session", autouse=True)
def _no_stack_on_the_usual_port() -> Iterator[None]:
    """A stack that got 4222 would lose it to another's start on this machine while its nats-server is killed."""
    with socket.socket() as usual:
        usual.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            usual.bind(("127.0.0.1", 4222))
            usual.listen(1)
        yield


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts stacks of a test's own; each must stop with 0 at the end and leave nothing."""
    with contextlib.ExitStack() as own:

        def start_one(**options: Any) -> Stack:
            return own.enter_context(running(Options(**options)))

        yield start_one


@pytest.fixture(scope="session")
def echo() -> Iterator[Stack]:
    """A stack with the echo engine, for tests that leave it as it was."""
    with running(Options(queue_size=60, slots=4, echo_delay_s=0.3, embedder=True)) as stack:
        yield stack


@pytest.fixture(scope="session")
def model() -> Iterator[Stack]:
    """A stack whose bundled model writes its answers, for tests that leave it as it was."""
    # A machine that is busy otherwise makes few tokens a second. F16: the source file's weights, without what its 8-bit
    # activations make of the order of sums, which tips choices that are 0.2 nats apart (docs/engine.md).
    environment = {"DOCQA_SYNC_WAIT_S": "80", "MODEL_QUANTIZATION": "f16", "DOCQA_STYLE": "write"}
    with running(Options(queue_size=20, slots=4, engine="llama", environment=environment)) as stack:
        yield stack
