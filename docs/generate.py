"""Writes the documents that are made from the code: `make docs`."""

import json
from pathlib import Path
from typing import Any

from docs import asyncapi

FOLDER = Path(__file__).parent


def generated() -> dict[Path, str]:
    """Each file, relative to this folder, and what belongs into it."""
    files: dict[Path, Any] = {Path("asyncapi.json"): asyncapi.document()}
    files |= {Path("schemas") / f"{name}.json": schema for name, schema in asyncapi.schemas().items()}
    return {path: json.dumps(content, indent=2, ensure_ascii=False) + "\n" for path, content in files.items()}


def main() -> None:
    for path, text in generated().items():
        (FOLDER / path).parent.mkdir(exist_ok=True)
        (FOLDER / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
