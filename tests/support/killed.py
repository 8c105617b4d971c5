"""A process that ends between two steps, whichever: what is on the disk then is all that there is."""

from collections.abc import Iterable
from typing import Any

import pytest


class Killed(BaseException):
    """The process ended here."""


def dies_before_step(step: int, calls: Iterable[tuple[Any, str]], patched: pytest.MonkeyPatch) -> None:
    """Let the process end before the given call of those (owner and name), counted from 0 over all of them."""
    left = iter(range(step))

    def dying(call: Any) -> Any:
        def step_by_step(*arguments: Any, **options: Any) -> Any:
            if next(left, None) is None:
                raise Killed
            return call(*arguments, **options)

        return step_by_step

    for owner, name in calls:
        patched.setattr(owner, name, dying(getattr(owner, name)))
