"""Runs llama-server from the `xllamacpp` wheel with its defaults, except for the number of slots.

Imports nothing of the project, because it runs in the peers' environment.
"""

import argparse
import json
import signal
from pathlib import Path

if __name__ == "__main__":
    import xllamacpp

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--slots", type=int, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ready-file", type=Path)
    arguments = parser.parse_args()

    parameters = xllamacpp.CommonParams()
    parameters.model.path = arguments.model
    parameters.n_parallel = arguments.slots
    parameters.port = arguments.port
    server = xllamacpp.Server(parameters)
    if arguments.ready_file:
        arguments.ready_file.write_text(json.dumps({"url": server.listening_address}))
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
