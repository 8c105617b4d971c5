"""Order for the tests that share a booted machine, which changes under them: as they are written. The image is begun
with the first test, and its own tests come last.
"""

import contextlib
from collections.abc import Iterator
from typing import Final

import pytest

from tests.deploy.support.image import Making, being_made

_IN_ORDER: Final = "test_boot"
_OF_THE_IMAGE: Final = "test_containers"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """pytest-randomly has shuffled them before."""
    places = [place for place, item in enumerate(items) if item.path.stem == _IN_ORDER]
    in_order = sorted((items[place] for place in places), key=lambda item: item.location[1] or 0)
    for place, item in zip(places, in_order, strict=True):
        items[place] = item
    items.sort(key=lambda item: item.path.stem == _OF_THE_IMAGE)


@pytest.fixture(scope="session")
def image() -> Iterator[Making]:
    with being_made() as making:
        yield making


@pytest.fixture(scope="session", autouse=True)
def _image_is_begun_with_the_first_test(request: pytest.FixtureRequest) -> None:
    """Where it is wanted at all; a machine that can't skips the image's own tests and no others."""
    if any(item.path.stem == _OF_THE_IMAGE for item in request.session.items):
        with contextlib.suppress(pytest.skip.Exception):
            request.getfixturevalue("image")
