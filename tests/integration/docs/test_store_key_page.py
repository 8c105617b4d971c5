"""The runbook for a new key of the store, run exactly as docs/operations.md has it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.bus_side import new_job
from tests.support.nats_command import WITHIN_S, NatsCommand
from tests.support.page import DOCS, commands_below

HEADING = "## Encryption at rest"
TEXT = "Where is the silver spoon?"


@pytest.mark.parametrize("former", ["key", "none"])
async def test_the_page_s_lines_put_the_store_under_a_new_key_and_keep_all_that_was_in_it(
    tmp_path: Path, former: str
) -> None:
    bus_command, jobs = NatsCommand(tmp_path), [new_job() for _ in range(3)]
    key = tmp_path / "former.key"
    key.write_text("f" * 64, encoding="ascii")
    before = {"DOCQA_STORE_KEY_FILE": str(key)} if former == "key" else {}
    bus_command.start(**before)
    async with bus_command.bus() as bus:
        for job in jobs:
            await bus.publish_job(job, TEXT.encode(), {})
        await bus.results.create(new_job().key, TEXT.encode())
    bus_command.end()

    run_the_page(tmp_path, bus_command, before)

    assert "encrypted" in refusal(bus_command, before), "the former key must not open it"
    bus_command.start(DOCQA_STORE_KEY_FILE=str(tmp_path / "keys" / "new.key"))
    try:
        async with bus_command.bus() as bus:
            assert [bool(await bus.find_job(job)) for job in jobs] == [True] * 3
            assert (await bus.js.stream_info("KV_DOCQA_RESULTS")).state.messages == 1
    finally:
        bus_command.end()
    assert not holds(bus_command.data_dir / "nats" / "store", TEXT)
    assert holds(bus_command.data_dir / "nats" / "store.former", TEXT) is (former == "none")


def run_the_page(folder: Path, bus_command: NatsCommand, environment: dict[str, str]) -> None:
    """In place of the page's folder for keys there is one of the test's own."""
    (folder / "keys").mkdir()
    lines = commands_below(DOCS / "operations.md", HEADING).replace("/etc/docqa", str(folder / "keys"))
    base = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "DOCQA_DATA_DIR": str(bus_command.data_dir),
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", lines],
        env=base | environment,
        capture_output=True,
        text=True,
        timeout=2 * WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def refusal(bus_command: NatsCommand, environment: dict[str, str]) -> str:
    """What a start says that must fail."""
    done = subprocess.run(
        bus_command.command(),
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert done.returncode == 1
    return done.stderr


def holds(store: Path, text: str) -> bool:
    return any(text.encode() in path.read_bytes() for path in store.rglob("*") if path.is_file())
