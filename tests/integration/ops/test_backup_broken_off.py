"""Backups and restores that are killed at random moments, or fill their disk: what was good stays."""

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from contract.bus import Bus, restore_mark
from contract.bus.provision import provision
from contract.errors import BusError
from contract.messages import Failure, encode
from ops.backup import archive, stream_snapshots
from tests.support.bus_side import new_job, publish
from tests.support.embedded import Embedded
from tests.support.nats_server import RunningServer
from tests.support.small_disk import small_disk

KILLS = int(os.environ.get("BACKUP_KILLS", "3"))
RESULT_BYTES = 60_000
WITHIN_S = 60


@pytest.fixture
def rng() -> random.Random:
    seed = os.environ.get("BACKUP_SEED") or str(random.randrange(10**9))
    print(f"BACKUP_SEED={seed}")  # noqa: T201 - a failed run is repeated with it
    return random.Random(seed)


@pytest.fixture
async def embedded(tmp_path: Path) -> Embedded:
    """A store at rest that is worth some time to save: a job, and results of four megabytes."""
    made = Embedded(tmp_path)
    async with made.running() as bus:
        await publish(bus)
        await filled(bus, 70)
    return made


async def filled(bus: Bus, results: int) -> None:
    for _ in range(results):
        # Each another one: a snapshot is compressed.
        await bus.results.create(new_job().key, os.urandom(RESULT_BYTES))


def docqa(embedded: Embedded, *arguments: str, **extra: str) -> "subprocess.Popen[str]":
    settings = embedded.settings
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(settings.data_dir.parent),
        "DOCQA_DATA_DIR": str(settings.data_dir),
        "DOCQA_BACKUP_DIR": str(settings.backup_dir),
        **extra,
    }
    command = [sys.executable, "-m", "ops", "backup", *arguments, "--json"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def said(embedded: Embedded, *arguments: str, **extra: str) -> Any:
    process = docqa(embedded, *arguments, **extra)
    out, words = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 0, words
    return json.loads(out)


def timed(embedded: Embedded, *arguments: str) -> float:
    began = time.monotonic()
    said(embedded, *arguments)
    return time.monotonic() - began


def killed_after(process: "subprocess.Popen[str]", pause_s: float) -> list[psutil.Process]:
    """Kill -9 of the command alone, unless it ends before; what it leaves, which must end by itself."""
    with process:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=pause_s)
            return []
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        # Not to the end of its output: its nats-server holds that open for a moment longer.
        process.wait()
    return children


def all_end(left: list[psutil.Process]) -> None:
    """A nats-server in the middle of a restore takes its time for it."""
    _, alive = psutil.wait_procs(left, timeout=WITHIN_S)
    assert not alive, "a nats-server outlived its command"


def listed(embedded: Embedded) -> list[Path]:
    """All backups that are listed; each must be whole."""
    backups = embedded.backups.all()
    for backup in backups:
        assert backup.manifest, backup.error
        for stream in backup.manifest.streams:
            pieces = archive.pieces_of(backup.path, stream.member)
            assert sum(map(len, pieces)) == stream.member.size_bytes
    return [backup.path for backup in backups]


@pytest.mark.slow
async def test_a_backup_that_is_killed_is_not_listed_and_the_earlier_ones_stand(
    embedded: Embedded, rng: random.Random
) -> None:
    lasts_s = timed(embedded, "create")
    first, left = listed(embedded), []
    for _ in range(KILLS):
        left += killed_after(docqa(embedded, "create"), rng.uniform(0.2, lasts_s))
        assert set(first) <= set(listed(embedded))
    all_end(left)
    said(embedded, "create")
    assert not list(embedded.backups.folder.glob(".unfinished-*")), "the next one clears up"


@pytest.mark.slow
async def test_a_restore_that_is_killed_leaves_the_former_store_or_the_restored_one(
    embedded: Embedded, rng: random.Random
) -> None:
    path = await embedded.backup()
    async with embedded.running() as bus:
        await publish(bus)
    lasts_s = timed(embedded, "restore", str(path), "--replace")
    async with embedded.running() as bus:
        assert (await bus.queue_state()).depth == 1
    for _ in range(KILLS):
        async with embedded.running() as bus:
            await publish(bus)
            depth = (await bus.queue_state()).depth
        all_end(killed_after(docqa(embedded, "restore", str(path), "--replace"), rng.uniform(0.2, lasts_s)))
        async with embedded.running() as bus:
            assert (await bus.queue_state()).depth in (depth, 1)
            assert (await bus.js.stream_info("KV_DOCQA_RESULTS")).state.messages == 70
        listed(embedded)


@pytest.mark.slow
async def test_a_killed_restore_of_a_bus_that_runs_is_whole_or_says_so_and_the_next_one_finishes_it(
    server: RunningServer, tmp_path: Path, rng: random.Random
) -> None:
    embedded = Embedded(tmp_path, "unused")
    login = {"DOCQA_NATS_URL": server.url, "DOCQA_NATS_PASSWORD": server.credentials.read("admin")}
    async with server.bus() as bus:
        job = await publish(bus)
        path = str(await embedded.backup(login))
        began = time.monotonic()
        said(embedded, "restore", path, "--replace", **login)
        lasts_s = time.monotonic() - began
        broken_off = 0
        for _ in range(KILLS):
            process = docqa(embedded, "restore", path, "--replace", **login)
            all_end(killed_after(process, rng.uniform(lasts_s / 2, lasts_s)))
            if await restore_mark.is_unfinished(bus):
                broken_off += 1
                with pytest.raises(BusError, match="was broken off"):
                    await provision(bus, server.settings)
                said(embedded, "restore", path, **login)
            await provision(bus, server.settings)
            assert await bus.find_job(job)
        print(f"{broken_off} of {KILLS} were broken off")  # noqa: T201 - shows that the moments were interesting ones


async def test_nothing_is_pruned_when_the_newest_backup_is_damaged(
    embedded: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = time.time()
    for days in (40, 39, 38):
        with monkeypatch.context() as patched:
            patched.setattr(time, "time", lambda days=days: now_s - days * 86_400)
            await embedded.backup()
    newest = await embedded.backup()
    keeping_one_month = ("prune", "--daily", "1", "--weekly", "0", "--monthly", "2")
    assert len(said(embedded, *keeping_one_month, "--dry-run")["would_go"]) == 2
    whole = newest.read_bytes()
    place = archive.read_manifest(newest).streams[0].member.offset
    newest.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    process = docqa(embedded, *keeping_one_month)
    _, words = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 1
    assert "damaged" in words
    assert len(embedded.backups.all()) == 4
    newest.write_bytes(whole)
    assert len(said(embedded, *keeping_one_month)["pruned"]) == 2


async def test_a_full_disk_of_backups_costs_none_of_them(embedded: Embedded, server: RunningServer) -> None:
    """Each takes 4 MiB, and as much once more for the trial."""
    with small_disk(embedded.backups.folder, 14):
        first = said(embedded, "create")["file"]
        process = docqa(embedded, "create")
        out, words = process.communicate(timeout=WITHIN_S)
        for _ in range(3):
            if process.returncode:
                break
            process = docqa(embedded, "create")
            out, words = process.communicate(timeout=WITHIN_S)
        assert process.returncode == 1
        assert out == ""
        assert words.count("\n") == 1
        assert Path(first) in listed(embedded)
        assert not list(embedded.backups.folder.glob(".unfinished-*"))


async def test_a_full_disk_during_a_restore_leaves_the_former_store(tmp_path: Path) -> None:
    small = tmp_path / "small"
    with small_disk(small, 64):
        embedded = Embedded(tmp_path, "small/data")
        async with embedded.running() as bus:
            job = await publish(bus)
            await filled(bus, 70)
        path = await embedded.backup()
        (small / "ballast").write_bytes(bytes(shutil.disk_usage(small).free - 2 * 2**20))
        process = docqa(embedded, "restore", str(path), "--replace")
        _, words = process.communicate(timeout=WITHIN_S)
        assert process.returncode == 1
        assert words.count("\n") == 1
        assert sorted(path.name for path in embedded.store.parent.glob("re*")) == []
        (small / "ballast").unlink()
        async with embedded.running() as bus:
            assert await bus.find_job(job)
            assert (await bus.js.stream_info("KV_DOCQA_RESULTS")).state.messages == 70


async def test_a_hooks_failure_is_the_backups_and_nothing_is_pruned(embedded: Embedded) -> None:
    first = said(embedded, "create", "--then", "true")
    assert first["hook_status"] == 0
    status = (embedded.settings.data_dir / "backup-status.json").read_bytes()
    told = embedded.backups.folder / "told"
    hook = f"""sh -c 'echo "$1 $BACKUP_FILE" > {told}; exit 7' hook"""
    process = docqa(embedded, "create", "--then", hook)
    out, words = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 7
    assert "the hook that copies it elsewhere failed (status 7)" in words
    made = json.loads(out)["file"]
    assert told.read_text(encoding="utf-8").split() == [made, made]
    assert (embedded.settings.data_dir / "backup-status.json").read_bytes() == status, "no success was noted"
    assert len(listed(embedded)) == 2


async def test_no_failure_is_saved_without_its_dead_letter(
    server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that dies after the letters were saved, and before the results are."""
    login = {"DOCQA_NATS_URL": server.url, "DOCQA_NATS_PASSWORD": server.credentials.read("admin")}
    save = stream_snapshots.save
    job = new_job()

    async def save_while_a_job_dies(bus: Bus, stream: str, write: Any) -> Any:
        if stream == "KV_DOCQA_RESULTS":
            await bus.publish_dead(f"docqa.dead.engine-error.{job.job_id}", b"{}", "1")
            await bus.results.create(job.key, encode(Failure(id=job.job_id, code="engine-error", detail="x")))
        return await save(bus, stream, write)

    monkeypatch.setattr(stream_snapshots, "save", save_while_a_job_dies)
    path = await Embedded(tmp_path, "unused").backup(login, is_verified=True)
    counts = {stream.name: stream.restored for stream in archive.read_manifest(path).streams}
    found = {name: state.messages for name, state in counts.items() if state}
    assert (found["DOCQA_DEAD"], found["KV_DOCQA_RESULTS"]) == (1, 1)
