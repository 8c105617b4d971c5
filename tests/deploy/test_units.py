"""The units of systemd as files: what systemd says of them, and what it keeps silent about."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from contract.settings import KNOWN_NAMES, QueueSettings, load
from inference_worker.settings import WorkerSettings
from ingress.settings import IngressSettings
from library.settings import LibrarySettings
from tests.deploy.support.places import SYSTEMD

UNITS: Final = sorted(path.name for path in SYSTEMD.iterdir() if path.suffix in (".service", ".socket", ".timer"))
SERVICES: Final = [name for name in UNITS if name.endswith(".service")]
FILES: Final = [*(SYSTEMD / name for name in UNITS), *sorted(SYSTEMD.glob("dropins/*/*.conf"))]
MOST_EXPOSED: Final = {
    "goblin-docqa.service": 1.5,
    "goblin-docqa-nats.service": 1.5,
    "goblin-docqa-worker.service": 2.5,
}
"""By `systemd-analyze security`; a bare unit has 9.6."""
OTHERS_EXPOSED: Final = 1.5

OUTDATED: Final[Mapping[str, str]] = {
    "MemoryLimit": "MemoryMax=",
    "CPUShares": "CPUWeight=",
    "StartupCPUShares": "StartupCPUWeight=",
    "BlockIOAccounting": "IOAccounting=",
    "BlockIOWeight": "IOWeight=",
    "BlockIODeviceWeight": "IODeviceWeight=",
    "BlockIOReadBandwidth": "IOReadBandwidthMax=",
    "BlockIOWriteBandwidth": "IOWriteBandwidthMax=",
    "MountFlags": "PrivateMounts=",
    "PIDFile": "Type=notify, which needs none",
    "PermissionsStartOnly": "a + before the command",
    "StartLimitInterval": "StartLimitIntervalSec=",
    "StartLimitAction": "FailureAction=",
    "Capabilities": "CapabilityBoundingSet=",
    "InaccessibleDirectories": "InaccessiblePaths=",
    "ReadOnlyDirectories": "ReadOnlyPaths=",
    "ReadWriteDirectories": "ReadWritePaths=",
    "SystemCallLog": "not in systemd 252 as meant",
    "BindTo": "BindsTo=",
    "RequiresOverridable": "Requires=",
    "PropagateReloadTo": "PropagatesReloadTo=",
    "BusName": "Type=notify, which needs none",
    "RestartSteps": "in no systemd before 254",
    "RestartMaxDelaySec": "in no systemd before 254",
    "ImportCredential": "in no systemd before 254",
    "MemoryZSwapMax": "in no systemd before 253",
    "PrivatePIDs": "in no systemd before 257",
}
"""Directives that systemd 252 silently ignores or does not know, and what replaces them."""
OUTDATED_VALUES: Final[Mapping[str, str]] = {
    r"^Type=notify-reload": "in no systemd before 253",
    r"^Standard(Output|Error)=syslog": "the journal takes both anyway",
    r"=/var/run/": "/run/",
    r"^ExecStart(Pre)?=.*\bflock\b": "a lock taken there ends with that command",
    r"^ExecStart=.*--uds": "the activated socket's descriptor",
    r"^KillMode=none": "KillMode=mixed",
    r"^(User|Group)=nobody": "a user of its own",
}


@pytest.fixture(scope="module", autouse=True)
def _systemd_is_here() -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("needs systemd-analyze: this machine has no systemd")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file system with the units, their drop-ins and what they name, beside systemd's own units."""
    root = tmp_path_factory.mktemp("root")
    shutil.copytree("/usr/lib/systemd/system", root / "usr/lib/systemd/system", symlinks=True)
    (root / "lib").symlink_to("usr/lib")
    installed = root / "etc/systemd/system"
    shutil.copytree(SYSTEMD / "dropins", installed)
    for name in UNITS:
        shutil.copy(SYSTEMD / name, installed)
    program = root / "opt/goblinmini-docqa/current/venv/bin/docqa"
    program.parent.mkdir(parents=True)
    shutil.copy("/bin/true", program)
    return root


def verified(root: Path, name: str) -> str:
    command = ["systemd-analyze", "verify", f"--root={root}", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", UNITS)
def test_verify_prints_nothing(root: Path, name: str) -> None:
    """It exits with 0 on warnings: what it prints is what counts."""
    assert verified(root, name) == ""


def test_verify_would_print_what_is_wrong(root: Path) -> None:
    broken = root / "etc/systemd/system/broken.service"
    broken.write_text("[Service]\nExecStart=/nowhere\nMemoryLimits=1G\n", encoding="utf-8")
    said = verified(root, broken.name)
    broken.unlink()
    assert "Unknown key 'MemoryLimits'" in said
    assert "/nowhere is not executable" in said


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_is_more_exposed_than_it_must_be(name: str) -> None:
    bar = MOST_EXPOSED.get(name, OTHERS_EXPOSED)
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={bar * 10:.0f}", str(SYSTEMD / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_bars_are_for_services_that_are_there() -> None:
    assert MOST_EXPOSED.keys() <= set(SERVICES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_file_has_an_outdated_directive(path: Path) -> None:
    assert list(outdated(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "line", ["MemoryLimit=4G", "PIDFile=/run/x.pid", "Type=notify-reload", "StandardOutput=syslog"]
)
def test_an_outdated_directive_is_seen(line: str) -> None:
    assert list(outdated(f"[Service]\n{line}\n"))


def outdated(text: str) -> Iterator[str]:
    """Each line that should be written otherwise, and how."""
    for line in text.splitlines():
        name = line.partition("=")[0].strip()
        if name in OUTDATED:
            yield f"{line}: {OUTDATED[name]}"
        for pattern, instead in OUTDATED_VALUES.items():
            if re.search(pattern, line):
                yield f"{line}: {instead}"


def test_every_drop_in_belongs_to_a_unit() -> None:
    assert {path.name.removesuffix(".d") for path in (SYSTEMD / "dropins").iterdir()} <= set(UNITS)


@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_sets_only_what_is_a_setting(name: str) -> None:
    names = re.findall(r"^Environment=(\w+)=", (SYSTEMD / name).read_text(encoding="utf-8"), re.MULTILINE)
    assert set(names) - {"GOMEMLIMIT"} <= KNOWN_NAMES


def sample(*, with_examples: bool) -> dict[str, str]:
    """The settings of the sample file; with those that are commented out, too."""
    pattern = r"^#?([A-Z_]+)=(.*)$" if with_examples else r"^([A-Z_]+)=(.*)$"
    text = (SYSTEMD / "default" / "goblin-docqa").read_text(encoding="utf-8")
    return dict(re.findall(pattern, text, re.MULTILINE))


@pytest.mark.parametrize("with_examples", [False, True], ids=["as it is", "with all examples"])
@pytest.mark.parametrize("settings", [IngressSettings, WorkerSettings, LibrarySettings, QueueSettings])
def test_every_service_takes_the_sample_of_settings(
    settings: type[IngressSettings] | type[WorkerSettings] | type[LibrarySettings] | type[QueueSettings],
    with_examples: bool,
) -> None:
    load(settings, sample(with_examples=with_examples))


def test_the_sample_of_settings_holds_no_secret() -> None:
    assert not [name for name in sample(with_examples=True) if name.endswith(("_KEY", "_PASSWORD", "_TOKEN"))]


HARDENING: Final = re.compile(r"^# What it may touch\..*\Z", re.MULTILINE | re.DOTALL)
OWN: Final = re.compile(
    r"^# (?:LibreOffice|Users as|The documents are).*\n"
    r"|^(?:ProcSubset|PrivateUsers|MemoryDenyWriteExecute|CapabilityBoundingSet|AmbientCapabilities)=.*\n"
    r"|^# (?:The tuning|Each reader).*\n(?:SystemCallFilter=.*\n)?|^RestrictNamespaces=.*\n",
    re.MULTILINE,
)
NAMESPACES: Final = {"goblin-docqa-library.service": "user net ipc"}


def test_all_services_are_locked_up_alike() -> None:
    """Except for OWN: /proc, for services that read the machine's memory, what tuning, readers of files and what they
    run need, and the backup's right to read the library's files.
    """
    blocks = set()
    for name in SERVICES:
        found = HARDENING.search((SYSTEMD / name).read_text(encoding="utf-8"))
        assert found, name
        block = OWN.sub("", found[0])
        blocks.add(block.partition("\n[Install]")[0].strip())
        assert re.findall(r"^RestrictNamespaces=(.*)$", found[0], re.MULTILINE) == [NAMESPACES.get(name, "yes")]
    assert len(blocks) == 1
