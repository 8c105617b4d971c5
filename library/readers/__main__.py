"""A process that reads one file: a reader, `convert`, which becomes LibreOffice, or `show`, for people.

The first two are started by this package with an empty environment, an order as JSON and the file as standard input.
"""

import os
import sys

from library.readers import show
from library.readers.process import child, convert

if __name__ == "__main__":
    if sys.argv[1] == "show":
        sys.exit(show.main(sys.argv[2]))
    os.chdir("/")
    if sys.argv[1] == "convert":
        convert.main(sys.argv[2])
    sys.exit(child.main(sys.argv[1]))
