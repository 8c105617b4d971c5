"""An ingress with a fault: it holds on to more memory all the time. For the test of the canary; run by its path."""

import sys
import threading
import time

from ingress.__main__ import main

PIECE = 2**20
PIECES_A_SECOND = 12


def leak() -> None:
    held = []
    while True:
        # Not zeros: those would take no memory before they are read.
        held.append(b"x" * PIECE)
        time.sleep(1 / PIECES_A_SECOND)


if __name__ == "__main__":
    threading.Thread(target=leak, daemon=True).start()
    sys.exit(main())
