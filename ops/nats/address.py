"""Where the embedded bus of a data folder is: a file beside its store, so that parts run by hand find it."""

from pathlib import Path

from contract.runtime.files import write_atomically
from ops.nats.credentials import Credentials
from ops.nats.publishers import PublisherList


def bus_folder(data_dir: Path) -> Path:
    return data_dir.absolute() / "nats"


def credentials(data_dir: Path) -> Credentials:
    return Credentials(bus_folder(data_dir) / "credentials")


def publishers(data_dir: Path) -> PublisherList:
    return PublisherList(bus_folder(data_dir) / "publishers")


def note(data_dir: Path, url: str, authority: Path | None = None) -> None:
    """Write down where the bus is now, and whose certificate it shows, if any."""
    if authority:
        write_atomically(_authority(data_dir), authority.read_bytes())
    else:
        _authority(data_dir).unlink(missing_ok=True)
    write_atomically(_file(data_dir), f"{url}\n".encode())


def noted(data_dir: Path) -> str | None:
    """Where the bus was last; None when none ever ran on this folder."""
    try:
        return _file(data_dir).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None


def environment_for(data_dir: Path, role: str) -> dict[str, str]:
    """What a process needs to connect in this role; empty when no bus ever ran on this folder."""
    url = noted(data_dir)
    if not url:
        return {}
    authority = _authority(data_dir)
    return {
        "DOCQA_NATS_URL": url,
        # Empty, it takes away what was set for another bus: one on the loopback alone shows no certificate.
        "DOCQA_NATS_CA": str(authority) if authority.exists() else "",
        "DOCQA_NATS_PASSWORD_FILE": str(credentials(data_dir).path(role)),
    }


def _file(data_dir: Path) -> Path:
    return bus_folder(data_dir) / "url"


def _authority(data_dir: Path) -> Path:
    return bus_folder(data_dir) / "authority.pem"
