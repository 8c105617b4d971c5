"""The drill: a backup under load, the store destroyed, the backup brought back, and on it goes, documents too."""

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from contract import topology
from tests.support.ledger import Ledger, answered, is_running, queue_is_empty, stored_results
from tests.support.load import Load
from tests.support.stack import Stack, Start
from tests.support.waiting import eventually

ACCEPTED = 40


def docqa(stack: Stack, *arguments: str) -> dict[str, Any]:
    """A command on the stack's data that must succeed; what it says as JSON."""
    command = [sys.executable, "-m", "ops", *arguments, "--data-dir", str(stack.folder / "data"), "--json"]
    done = subprocess.run(command, env=stack.environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def added(stack: Stack, word: str) -> str:
    """The id of a document that was brought in and read."""
    file = stack.folder / f"{word}.txt"
    file.write_text(f"The {word} lies in the harbour.")
    (document,) = docqa(stack, "documents", "add", str(file), "--target", str(stack.ready().uds))["documents"]
    return str(document["id"])


async def has_accepted(ledger: Ledger, number: int) -> bool:
    return len(ledger.accepted) >= number


async def test_every_job_of_a_backup_made_under_load_ends_in_one_result_after_the_store_is_lost(start: Start) -> None:
    """Jobs that wait, run and end while it is made are among them; none waits longer than its deadline allows."""
    stack = start(queue_size=30, slots=2, echo_delay_s=0.25, environment={"DOCQA_JOB_DEADLINE_S": "30"})
    ledger = Ledger()
    backups = ("--to", str(stack.folder / "backups"))
    kept = await asyncio.to_thread(added, stack, "quinquereme")
    gone = await asyncio.to_thread(added, stack, "gossamer")
    async with Load.on(stack, ledger, posting=6, waiting=1):
        await eventually(lambda: has_accepted(ledger, ACCEPTED), f"{ACCEPTED} jobs are accepted")
        async with stack.bus() as bus:
            await is_running(bus)
        promised = set(ledger.accepted)
        made = await asyncio.to_thread(docqa, stack, "backup", "create", *backups)
    assert made["verified"]
    assert made["streams"][topology.JOBS_STREAM] > 0
    status = json.loads((stack.folder / "data" / "backup-status.json").read_bytes())
    assert status["file"] == made["file"]
    assert status["bytes"] == Path(made["file"]).stat().st_size

    here = ("--target", str(stack.ready().uds))
    await asyncio.to_thread(docqa, stack, "documents", "remove", gone, *here)
    await asyncio.to_thread(stack.stop)
    shutil.rmtree(stack.folder / "data" / "nats")
    restored = await asyncio.to_thread(docqa, stack, "backup", "restore", "latest", *backups, "--replace")
    assert restored["waiting"] == made["streams"][topology.JOBS_STREAM]
    await asyncio.to_thread(stack.start)

    async with stack.bus() as bus:
        await queue_is_empty(bus)
        results = await stored_results(bus)
        assert promised <= results.keys(), "a job that was accepted before the backup is lost"
        answered(results, promised)
        saved = restored["streams"][f"KV_{topology.RESULTS_BUCKET}"] + restored["waiting"]
        assert len(results) <= saved, "a job that ended while the backup was made is in it twice, and has one result"
    async with stack.client() as client:
        assert (await client.ask("And does it go on?")).status_code == 200
    here = ("--target", str(stack.ready().uds))
    found = await asyncio.to_thread(docqa, stack, "documents", "search", "Where is the quinquereme?", *here)
    assert kept in {hit["document"] for hit in found["hits"]}, "a document of the backup is not found"
    listed = await asyncio.to_thread(docqa, stack, "documents", "list", *here)
    assert [one["id"] for one in listed["documents"] if one["state"] != "erasing"] == [kept], "what was erased is back"
