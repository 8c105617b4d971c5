"""The embedded bus runs on a data folder of any name, and takes in a changed list of publishers there."""

from pathlib import Path

import pytest

from ops.nats import address, reload
from ops.nats.publishers import PublisherList
from tests.support.embedded import Embedded


@pytest.mark.parametrize(
    "name",
    ["Données Goblin", "数据", "quo\"te'", "$HOME #a {b} [c] \\d", "\udce9t\udce9"],
    ids=["é", "数据", "quotes", "signs", "bytes"],
)
async def test_a_data_folder_of_any_name_does(tmp_path: Path, name: str) -> None:
    embedded = Embedded(tmp_path, name)
    data_dir = embedded.settings.data_dir
    folder = address.bus_folder(data_dir)
    async with embedded.running() as bus:
        assert (await bus.queue_state()).depth == 0
        publishers: PublisherList = address.publishers(data_dir)
        publishers.add("alice", "nats://127.0.0.1:4222")
        assert await reload.apply(folder, address.credentials(data_dir), publishers)
    assert embedded.store.exists()
