"""What `docqa preflight` makes of what it sees; the seeing itself is tried on this machine where it is cheap."""

import json
import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from contract.address import Address
from contract.worker_tools import Failed, MemoryNeed
from ops.preflight import bus, clock, disk, documents, machine, memory, ports, queue, secrets
from ops.preflight.context import Context
from ops.preflight.finding import Finding
from ops.settings import UpSettings

GIB = 2**30
NEED = MemoryNeed(
    engine="llama",
    slots=8,
    cores=2,
    threads=2,
    cpu_flags=[],
    model="Tiny.gguf",
    runs_as="as-is",
    context_tokens=8192,
    file_bytes=GIB,
    cells_bytes=4 * GIB,
    total_bytes=5 * GIB,
)


def context(tmp_path: Path, **changes: Any) -> Context:
    settings = UpSettings(data_dir=tmp_path / "data", max_queue_size=changes.pop("queue_size", 16))
    facts: dict[str, Any] = {"environment": {}, "health": {}, "need": NEED}
    return Context(settings=settings, **{**facts, **changes})


@pytest.mark.parametrize(("size", "slots", "status"), [(16, 8, "ok"), (15, 8, "warning"), (8, 8, "warning")])
def test_a_queue_below_twice_all_slots_is_a_warning(size: int, slots: int, status: str) -> None:
    assert queue.check_size(size, slots).status == status


def test_the_slots_of_all_running_workers_count(tmp_path: Path) -> None:
    two = [{"slots": 8}, {"slots": 8}]
    found = queue.check(context(tmp_path, health={"workers": two, "queue_capacity": 16}))
    assert [(finding.name, finding.status) for finding in found] == [("queue", "warning")]
    assert "MAX_QUEUE_SIZE to 32" in found[0].cure


def test_a_bound_in_force_that_the_settings_do_not_say_is_told(tmp_path: Path) -> None:
    found = queue.check(context(tmp_path, health={"workers": [{"slots": 8}], "queue_capacity": 10}))
    assert found[1].detail == "the running bus takes 10, the settings say 16"


def test_where_no_bound_is_set_the_one_in_force_is_what_counts(tmp_path: Path) -> None:
    fresh = context(tmp_path, queue_size=None, health={"workers": [{"slots": 4}], "queue_capacity": 16})
    assert [finding.status for finding in queue.check(fresh)] == ["ok"]
    grown = context(tmp_path, queue_size=None, health={"workers": [{"slots": 8}] * 5, "queue_capacity": 32})
    assert [finding.status for finding in queue.check(grown)] == ["warning"]


def test_a_fresh_start_with_the_defaults_has_nothing_to_warn_of(tmp_path: Path) -> None:
    assert [finding.status for finding in queue.check(context(tmp_path, queue_size=None))] == ["ok"]


def test_memory_that_is_there_is_fine_and_tight_memory_is_told(tmp_path: Path) -> None:
    look = context(tmp_path)
    assert memory.check_need(look, NEED, 6 * GIB).status == "ok"
    assert memory.check_need(look, NEED, int(5.2 * GIB)).status == "warning"


def test_memory_that_is_missing_names_the_rows_that_would_fit(tmp_path: Path) -> None:
    found = memory.check_need(context(tmp_path), NEED, 4 * GIB)
    assert found.status == "failure"
    assert found.cure == "Set DOCQA_CONTEXT_TOKENS to 5120, or fewer DOCQA_SLOTS."
    assert "smaller model" in memory.check_need(context(tmp_path), NEED, GIB).cure


def test_a_worker_that_would_not_start_is_a_failure(tmp_path: Path) -> None:
    [found] = memory.check(context(tmp_path, need=Failed(sentence="MODEL_PATH: there is no folder /x.")))
    assert (found.status, found.detail) == ("failure", "MODEL_PATH: there is no folder /x")


def test_a_processor_without_its_kernels_is_told() -> None:
    assert machine.check_flags("x86_64", ["avx2", "fma", "f16c"]).status == "ok"
    assert "without avx2" in machine.check_flags("x86_64", ["fma", "f16c"]).detail
    assert machine.check_flags("riscv64", []).status == "warning"


def test_more_threads_than_cores_is_told() -> None:
    assert machine.check_cores(2, 4, 4).cure.startswith("Set DOCQA_THREADS to 2")
    assert machine.check_cores(2, 2, 2).status == "ok"
    assert machine.check_cores(1, 1, 2).status == "warning"


def test_few_descriptors_are_told() -> None:
    assert machine.check_files(1024).status == "warning"
    assert machine.check_files(-1).status == "ok"


def test_the_disk_is_measured_and_nothing_is_left_there(tmp_path: Path) -> None:
    found = disk.check(context(tmp_path))
    assert [finding.name for finding in found] == ["disk space", "disk kind", "fsync"]
    assert not list(tmp_path.iterdir())


def test_a_slow_fsync_and_a_disk_in_memory_are_told(tmp_path: Path) -> None:
    assert disk.check_fsync([30.0, 31.0, 2.0]).status == "warning"
    assert disk.check_fsync([0.2, 0.2, 90.0]).status == "ok"
    assert disk.check_kind(tmp_path, "tmpfs").status == "warning"


def test_a_full_disk_is_a_failure_and_one_that_may_fill_a_warning(tmp_path: Path) -> None:
    assert disk.check_room(tmp_path, 2**20, GIB).status == "failure"
    assert disk.check_room(tmp_path, GIB // 2, GIB).status == "warning"
    assert disk.check_room(tmp_path, 2 * GIB, GIB).status == "ok"


def test_an_old_or_forgetful_nats_server_is_a_failure() -> None:
    assert bus.check_version("nats-server: v2.15.1", "x").status == "ok"
    assert bus.check_version("2.9.10", "x").status == "failure"
    assert bus.check_version("redis", "x").status == "failure"
    assert bus.check_sync({"jetstream": {"config": {"sync_always": True}}}).status == "ok"
    assert bus.check_sync({"jetstream": {"config": {}}}).status == "failure"


def test_a_bus_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    [found] = bus.check(context(tmp_path, environment={"DOCQA_NATS_URL": "nats://127.0.0.1:1"}), None)
    assert found.status == "failure"


def test_the_bus_that_would_be_started_is_asked_for_its_version(tmp_path: Path) -> None:
    assert [finding.status for finding in bus.check(context(tmp_path), None)] == ["ok", "ok"]


def test_a_secret_that_others_can_read_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("s3cret", encoding="ascii")
    path.chmod(0o644)
    found = secrets.check_secret("DOCQA_TOKEN", {"DOCQA_TOKEN_FILE": str(path)}, is_production=True)
    assert found
    assert (found.status, found.cure) == ("failure", f"chmod 0600 {path}")
    path.chmod(0o640)
    assert secrets.check_file(path, stat.S_IRWXG | stat.S_IRWXO).status == "warning"
    path.chmod(0o600)
    assert secrets.check_file(path, stat.S_IRWXG | stat.S_IRWXO).status == "ok"


def test_a_secret_is_never_shown(tmp_path: Path) -> None:
    found = secrets.check(context(tmp_path, environment={"DOCQA_TOKEN": "s3cret", "DOCQA_ENV": "production"}))
    assert "s3cret" not in str(found)
    assert [finding.status for finding in found if finding.name == "secrets"] == ["warning"]


def test_a_door_without_a_token_is_told_in_production_only(tmp_path: Path) -> None:
    assert secrets.check_tokens({}, is_production=True).status == "warning"
    assert secrets.check_tokens({}, is_production=False).status == "ok"
    assert secrets.check_tokens({"DOCQA_TOKENS": "/x"}, is_production=True).status == "ok"


def test_a_clock_that_nobody_keeps_is_told() -> None:
    assert clock.check_sync(0x2001).status == "ok"
    assert clock.check_sync(0x40).status == "warning"
    assert clock.check_skew(0.01).status == "ok"
    assert clock.check_skew(-3.0).detail.startswith("3.00 s from")


def test_the_kernel_says_whether_its_clock_is_kept() -> None:
    status = clock.kernel_status()
    assert status is None or 0 <= status < 2**16


@pytest.fixture
def taken() -> Any:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield Address("127.0.0.1", listener.getsockname()[1])


def test_a_port_of_our_own_running_stack_is_no_failure(taken: Address) -> None:
    assert ports.check_port("port", taken, lambda _: True, "").status == "ok"


def test_a_port_that_somebody_else_holds_names_the_holder(taken: Address) -> None:
    found = ports.check_port("port", taken, lambda _: False, "Set DOCQA_PORT.")
    assert (found.status, found.cure) == ("failure", "Set DOCQA_PORT.")
    assert f"process {os.getpid()}" in found.detail


def test_a_stale_socket_and_a_path_that_is_none_are_told(tmp_path: Path) -> None:
    path = tmp_path / "s"
    assert ports.check_socket(path, is_answered=False)[0].status == "ok"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o660)
        assert ports.check_socket(path, is_answered=True)[0].status == "ok"
        path.chmod(0o666)
        assert ports.check_socket(path, is_answered=True)[0].cure == f"chmod 0660 {path}"
    assert ports.check_socket(path, is_answered=False)[0].status == "warning"
    path.unlink()
    path.write_text(json.dumps({}), encoding="ascii")
    assert ports.check_socket(path, is_answered=False)[0].status == "failure"
    assert ports.check_socket(tmp_path / ("x" * 108), is_answered=False)[0].status == "failure"


def test_all_that_is_not_fine_has_a_cure() -> None:
    found: list[Finding] = [
        queue.check_size(1, 8),
        machine.check_cores(1, 1, 1),
        machine.check_files(1),
        disk.check_fsync([99.0]),
        bus.check_sync({}),
        clock.check_sync(None),
        clock.check_skew(9.0),
        secrets.check_tokens({}, is_production=True),
    ]
    assert all(finding.cure for finding in found if finding.status != "ok")


def test_documents_need_a_folder_of_this_user_and_room(tmp_path: Path) -> None:
    assert documents.check_folder(tmp_path / "library").detail.endswith("made by the first start")
    assert documents.check_folder(tmp_path).detail == f"in {tmp_path}"
    assert documents.check_room(2 * GIB, GIB).status == "ok"
    assert documents.check_room(GIB // 2, GIB).status == "warning"


def test_an_embedder_that_is_no_file_is_a_failure_with_a_way_out(tmp_path: Path) -> None:
    found = documents.check_embedder(str(tmp_path / "none.gguf"))
    assert found.status == "failure"
    assert "is no file" in found.detail
    assert "`off`" in found.cure
    assert documents.check_embedder("off").detail == "off: documents are found by their words alone"


def test_programs_that_are_missing_are_named_with_what_is_not_read_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "_WHERE", str(tmp_path))
    details = {found.name: found.detail for found in documents.check_programs("auto")}
    assert details == {
        "LibreOffice": "not installed: old Word files (.doc) are not read (Debian: libreoffice-writer)",
        "tesseract": "not installed: pages that are images are not read (Debian: tesseract-ocr)",
    }
    assert [found.name for found in documents.check_programs("off")] == ["LibreOffice"]


def test_a_root_is_a_folder_apart_from_the_data_folder(tmp_path: Path) -> None:
    root, data_dir = tmp_path / "papers", tmp_path / "data"
    root.mkdir()
    (data_dir / "library").mkdir(parents=True)
    (tmp_path / "file").write_bytes(b"")
    assert documents.check_root(root, data_dir).status == "ok"
    assert documents.check_root(tmp_path / "none", data_dir).detail.endswith("No such file or directory")
    assert documents.check_root(tmp_path / "file", data_dir).detail.endswith("is no folder")
    for one in (data_dir, data_dir / "library", tmp_path):
        assert "lie within each other" in documents.check_root(one, data_dir).detail, one
    # Names that begin with a dot are passed over.
    assert documents.check_root(tmp_path, tmp_path / ".data" / "docqa").status == "ok"
