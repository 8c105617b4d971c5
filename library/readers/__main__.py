"""The reader's own process: the file is standard input, frames go to standard output.

Started by read.py with an empty environment and the limits as its one argument.
"""

import os
import sys

from library.readers.child import main

if __name__ == "__main__":
    os.chdir("/")
    sys.exit(main(sys.argv[1]))
