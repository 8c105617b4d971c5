"""What `docqa up` says when it starts, and when it can't."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support import processes
from tests.support.stack import Options, Stack, running


@pytest.fixture
def stopped() -> Iterator[Stack]:
    """A stack that is not started."""
    stack = Stack(Options())
    yield stack
    stack.destroy()


def test_a_second_docqa_up_says_in_one_sentence_which_process_holds_the_folder(echo: Stack) -> None:
    """The very same command, given again: the first one goes on as if nothing had happened."""
    before = echo.ready()
    assert str(echo.up_pid) in _refusal(echo)
    assert echo.ready() == before
    assert all(processes.is_alive(pid) for pid in before.pids.values())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("DOCQA_ENV", "production"),  # the fake engine is refused in production
        ("DOCQA_SLOTZ", "4"),
        ("DOCQA_ACK_WAIT_S", "soon"),
        ("DOCQA_SYNC_WAIT_S", "-1"),
    ],
)
def test_a_setting_that_can_not_be_used_is_named_in_one_sentence(stopped: Stack, name: str, text: str) -> None:
    """Whichever part reads it, and nothing is left running."""
    stopped.environment[name] = text
    sentence = _refusal(stopped)
    assert name in sentence or (name == "DOCQA_ENV" and "DOCQA_ENGINE" in sentence)
    assert not processes.described(processes.belonging_to(stopped.folder))


@pytest.mark.parametrize("proxy", ["", "socks5://127.0.0.1:1"])
def test_an_ipv6_address_has_brackets_wherever_it_is_shown_and_can_be_given_back(proxy: str) -> None:
    environment = {"DOCQA_METRICS_ADDR": "[::1]:0", **({"ALL_PROXY": proxy} if proxy else {})}
    with running(Options(http="[::1]:0", environment=environment)) as stack:
        ready = stack.ready()
        assert ready.http.startswith("http://[::1]:")
        assert all(url.startswith("http://[::1]:") for url in ready.metrics.values())
        assert f"{ready.http}/api/query" in stack.log()
        command = [sys.executable, "-m", "ops", "ask", "Who?", "--target", ready.http]
        asked = subprocess.run(command, env=stack.environment, capture_output=True, text=True, timeout=60, check=False)
        assert (asked.returncode, asked.stderr) == (0, "")


def _refusal(stack: Stack) -> str:
    """The one line that the command ends with, where it must not start."""
    done = subprocess.run(
        stack.command(),
        env=stack.environment,
        cwd=stack.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode > 0, done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    [sentence] = [line for line in done.stderr.splitlines() if line.startswith("docqa")]
    return sentence
