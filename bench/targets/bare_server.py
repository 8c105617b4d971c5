"""The baseline for refusals: a Litestar handler that decodes the same body and answers at once, on the same server."""

import argparse
import json
import os
from pathlib import Path

import uvicorn
from litestar import Litestar, post

from contract.messages import Question
from contract.runtime.files import write_atomically


@post("/api/query", status_code=200)
async def answer(data: Question) -> dict[str, str]:
    """Decode the body, nothing else."""
    return {"status": "done"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uds", type=Path, required=True)
    parser.add_argument("--ready-file", type=Path, required=True)
    arguments = parser.parse_args()

    def announce() -> None:
        write_atomically(arguments.ready_file, json.dumps({"uds": str(arguments.uds), "pid": os.getpid()}).encode())

    app = Litestar([answer], openapi_config=None, logging_config=None, on_startup=[announce])
    uvicorn.run(app, uds=str(arguments.uds), http="httptools", loop="uvloop", access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
