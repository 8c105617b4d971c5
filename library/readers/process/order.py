"""The order to a reader's process: its limits, and the file's names as its sender gives them."""

import msgspec

from library.readers.limits import Limits


class Order(msgspec.Struct, frozen=True):
    """The one argument of the process, as JSON. `parent` is the process id that it dies with."""

    limits: Limits
    parent: int
    name: str = ""
    media_type: str = ""
    tesseract: str = ""  # its path: images are read by it; empty: they are not read
