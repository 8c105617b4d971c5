from pathlib import Path

import msgspec
import pytest

from bench.report import plots

RESULTS = {
    path.stem: msgspec.json.decode(path.read_bytes())
    for path in sorted((Path(__file__).parents[3] / "bench/results").glob("*.json"))
}


@pytest.mark.parametrize("stored", [name for name, result in RESULTS.items() if "figures" in result])
def test_every_stored_result_can_be_drawn(stored: str) -> None:
    for name, figure in plots.all_of(RESULTS[stored]).items():
        assert plots.as_svg(name, figure).startswith("<svg")
