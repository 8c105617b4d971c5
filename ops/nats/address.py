"""The address of a data folder's embedded bus, kept in a file beside its store, so that other commands find it."""

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


def record(data_dir: Path, url: str, authority: Path | None = None) -> None:
    """Save the address of the bus and the authority of its certificate, if any."""
    if authority:
        write_atomically(_authority(data_dir), authority.read_bytes())
    else:
        _authority(data_dir).unlink(missing_ok=True)
    write_atomically(_file(data_dir), f"{url}\n".encode())


def recorded(data_dir: Path) -> str | None:
    """The last address of the bus; None if none ever ran on this folder."""
    try:
        return _file(data_dir).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None


def environment_for(data_dir: Path, role: str) -> dict[str, str]:
    """The variables that a process needs to connect in this role; empty if no bus ever ran on this folder."""
    url = recorded(data_dir)
    if not url:
        return {}
    authority = _authority(data_dir)
    return {
        "DOCQA_NATS_URL": url,
        # Empty, it overrides an authority set for another bus: this one has no certificate.
        "DOCQA_NATS_CA": str(authority) if authority.exists() else "",
        "DOCQA_NATS_PASSWORD_FILE": str(credentials(data_dir).path(role)),
    }


def _file(data_dir: Path) -> Path:
    return bus_folder(data_dir) / "url"


def _authority(data_dir: Path) -> Path:
    return bus_folder(data_dir) / "authority.pem"
