"""Where a part of its own looks for the bus."""

from pathlib import Path

from contract.settings import load
from ops.commands.services import named_port
from ops.settings import UpSettings


def test_a_part_that_sees_no_data_of_the_bus_finds_it_by_the_ports_name(tmp_path: Path) -> None:
    settings = load(UpSettings, {"DOCQA_DATA_DIR": str(tmp_path), "DOCQA_NATS_PORT": "14222"})
    assert named_port(settings) == {"DOCQA_NATS_URL": "nats://127.0.0.1:14222"}


def test_without_a_name_the_usual_place_holds(tmp_path: Path) -> None:
    assert named_port(load(UpSettings, {"DOCQA_DATA_DIR": str(tmp_path)})) == {}
