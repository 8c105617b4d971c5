"""`docqa cluster`: the configuration for an external cluster of nats-servers, such as one on Kubernetes."""

import json
from pathlib import Path

import click

from contract.address import parse_address
from contract.errors import SettingsError
from contract.runtime.terminal import echo
from contract.settings import load
from ops.nats import address, cluster_config
from ops.nats.cluster_config import Node
from ops.nats.credentials import ROLES, Credentials
from ops.nats.endpoint import Certificate
from ops.options import data_dir_option, environment_with, json_option
from ops.settings import NatsSettings

_FOLDER = click.Path(path_type=Path)


@click.command("cluster")
@click.option(
    "--route", "others", multiple=True, required=True, metavar="HOST:PORT", help="A server of the cluster; name all."
)
@click.option("--certificates", type=_FOLDER, help="Folder of bus.pem, bus.key, authority.pem on the servers.")
@click.option(
    "--store", type=_FOLDER, default=Path("/data"), show_default=True, help="Folder of the store on the servers."
)
@click.option("--listen", default="0.0.0.0:4222", show_default=True, metavar="HOST:PORT", help="Address for clients.")
@click.option(
    "--listen-routes",
    default="0.0.0.0:6222",
    show_default=True,
    metavar="HOST:PORT",
    help="Address for the other servers.",
)
@click.option(
    "--monitor", default="0.0.0.0:8222", show_default=True, metavar="HOST:PORT", help="Address of /healthz and /jsz."
)
@data_dir_option
@json_option
def command(
    others: tuple[str, ...],
    certificates: Path | None,
    store: Path,
    listen: str,
    listen_routes: str,
    monitor: str,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Print the configuration of a nats-server in a cluster, with all accounts.

    It is the same for every server: start each with `nats-server --config FILE --name NAME`. The passwords come from
    DOCQA_NATS_CREDENTIALS, else from the data folder. Keep the file as secret as they are.

    Afterwards run `docqa nats` with DOCQA_NATS_URL naming the servers and DOCQA_REPLICAS=3 to create the streams.
    """
    settings = load(NatsSettings, environment_with(DOCQA_DATA_DIR=data_dir))
    node = Node(
        clients=parse_address(listen, "--listen"),
        monitor=parse_address(monitor, "--monitor"),
        routes=parse_address(listen_routes, "--listen-routes"),
        others=[str(parse_address(other, "--route")) for other in others],
        store=store,
        certificate=_certificate(certificates) if certificates else None,
    )
    publishers = address.publishers(settings.data_dir).passwords()
    text = cluster_config.render(node, _passwords(settings), settings.max_request_size_mb, publishers)
    echo(json.dumps(json.loads(text)) if as_json else text, nl=as_json)


def _passwords(settings: NatsSettings) -> dict[str, str]:
    credentials = Credentials(settings.credentials) if settings.credentials else None
    credentials = credentials or address.credentials(settings.data_dir)
    try:
        return {role: credentials.read(role) for role in ROLES}
    except FileNotFoundError as error:
        raise SettingsError(
            f"DOCQA_NATS_CREDENTIALS: there is no {error.filename}: name the folder of the passwords "
            "(deploy/compose/prepare.sh generates them)."
        ) from None


def _certificate(folder: Path) -> Certificate:
    return Certificate(folder / "bus.pem", folder / "bus.key", folder / "authority.pem")
