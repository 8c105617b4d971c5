"""The `docqa` command as a process: quick, one sentence for an error, never a traceback."""

import os
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from ops import __main__ as entry

COMMANDS = list(entry._COMMANDS)
_BECOME_OTHERS = ("ingress", "worker", "library", "bench")


def docqa(*arguments: str, home: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    base = {name: value for name, value in os.environ.items() if not name.startswith("DOCQA_")}
    command = [sys.executable, "-m", "ops", *arguments]
    return subprocess.run(
        command, env={**base, "HOME": str(home), **environment}, capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_speaks_json(name: str) -> None:
    command = entry.load_command(name)
    assert isinstance(command, click.Command)
    assert command.name == name
    assert command.help
    for leaf in command.commands.values() if isinstance(command, click.Group) else [command]:
        assert leaf.help
        options = {option for parameter in leaf.params for option in parameter.opts}
        # These become another program, which speaks for itself.
        assert ("--json" in options) != (name in _BECOME_OTHERS)


def test_the_list_of_commands_loads_none_of_them() -> None:
    """`docqa --help` is there at once."""
    script = """if True:
        import sys, ops.__main__ as entry
        sys.argv[1:] = ["--help"]
        try: entry.main()
        except SystemExit: pass
        sys.exit(bool({"nats", "httpx", "rich", "msgspec", "structlog", "asyncio"} & set(sys.modules)))
    """
    began = time.monotonic()
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert all(f"  {name} " in found.stdout for name in COMMANDS)
    assert time.monotonic() - began < 3  # 0.15 s on a machine with nothing else to do


@pytest.mark.parametrize(
    ("arguments", "environment", "sentence"),
    [
        (["ask", "Why?"], {}, "start it with `docqa up`"),
        (["status"], {}, "start it with `docqa up`"),
        (["ask", "Why?", "--context-file", "nowhere.txt"], {}, "cannot read nowhere.txt: No such file"),
        (["ask", "\udce9t\udce9"], {}, "QUESTION: '\\udce9t\\udce9' is not UTF-8 text"),
        (["ask", "Why?", "--context", "\udce9t\udce9"], {}, "--context: '\\udce9t\\udce9' is not UTF-8 text"),
        (["ask", "Why?", "--target", "http://::1:45929"], {}, "--target: 'http://::1:45929' is neither"),
        (["ask", "Why?", "--target", "http://a.example"], {"ALL_PROXY": "socks5://b:1"}, "ALL_PROXY: expected http://"),
        (["usage", "--data-dir", "~nobody-by-this-name/x"], {"DOCQA_TOKENS": "~nobody-by-this-name"}, "no such home"),
        (["ask", "Why?", "--target", "ftp://x"], {}, "ftp://x"),
        (["up", "--http", "8000"], {}, "is not HOST:PORT"),
        (["up"], {"DOCQA_SLOTZ": "1"}, "did you mean DOCQA_SLOTS?"),
        (["up"], {"MAX_QUEUE_SIZE": "0"}, "MAX_QUEUE_SIZE"),
        (["up"], {"DOCQA_RESULT_TTL_S": "100"}, "DOCQA_RESULT_TTL_S"),
        (["nats"], {"DOCQA_ACK_WAIT_S": "soon"}, "DOCQA_ACK_WAIT_S"),
        (["worker"], {"DOCQA_SLOTZ": "1"}, "did you mean DOCQA_SLOTS?"),
        (["usage"], {}, "No message bus ever ran on "),
        (["usage"], {"COPILOT_TOKEN_BUDGET_DAILY": "much"}, "COPILOT_TOKEN_BUDGET_DAILY"),
        (["up", "--data-dir", "/dev/null/x"], {}, "cannot use /dev/null/x"),
        (["status"], {"DOCQA_TOKEN_FILE": "/nowhere"}, "DOCQA_TOKEN_FILE: can't read /nowhere"),
    ],
)
def test_an_error_is_one_sentence(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], sentence: str
) -> None:
    found = docqa(*arguments, home=tmp_path, **environment)
    assert found.returncode == 1
    assert found.stdout == ""
    assert found.stderr.count("\n") == 1
    assert sentence in found.stderr


def test_a_mistyped_command_is_answered_with_the_one_that_was_meant(tmp_path: Path) -> None:
    mistyped = "a" + "ks"  # in two parts for the spelling checker
    found = docqa(mistyped, "What?", home=tmp_path)
    assert found.returncode == 2
    assert f"There is no command {mistyped}: did you mean ask?" in found.stderr


@pytest.mark.parametrize("arguments", [["nonsense"], ["up", "--nonsense"], ["ask"], ["up", "--slots", "0"]])
def test_wrong_usage_is_told_as_usage(tmp_path: Path, arguments: list[str]) -> None:
    found = docqa(*arguments, home=tmp_path)
    assert found.returncode == 2
    assert "Traceback" not in found.stderr


def test_a_document_given_twice_is_refused(tmp_path: Path) -> None:
    found = docqa("ask", "Why?", "--context", "a", "--context-file", "b", home=tmp_path)
    assert found.returncode == 2
    assert "Use one of --document, --context" in found.stderr


def test_make_only_shows_what_up_would_run_where_it_is_told_to() -> None:
    """`make -n` runs lines that name $(MAKE): the system must not start by one."""
    root = Path(entry.__file__).parent.parent
    shown = subprocess.run(["make", "-n", "up"], cwd=root, capture_output=True, text=True, timeout=30, check=True)
    assert "docqa up" in shown.stdout
    assert "answers at" not in shown.stdout
