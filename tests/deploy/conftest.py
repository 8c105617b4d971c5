"""Order for the tests that share a booted machine, which changes under them: as they are written."""

import pytest

_IN_ORDER = "test_boot"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """pytest-randomly has shuffled them before."""
    places = [place for place, item in enumerate(items) if item.path.stem == _IN_ORDER]
    in_order = sorted((items[place] for place in places), key=lambda item: item.location[1] or 0)
    for place, item in zip(places, in_order, strict=True):
        items[place] = item
