"""A process that reads one file from standard input: a reader, or `convert`, which becomes LibreOffice.

Started by read.py and reader_process.py with an empty environment and an order as JSON.
"""

import os
import sys

from library.readers import child, convert

if __name__ == "__main__":
    os.chdir("/")
    if sys.argv[1] == "convert":
        convert.main(sys.argv[2])
    sys.exit(child.main(sys.argv[1]))
